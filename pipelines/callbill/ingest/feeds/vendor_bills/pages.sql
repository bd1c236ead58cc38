-- Adds `items` to lines of the vendor's API DescribeBillDetail: a list of JSON objects, each with
-- one item (Detail) and one of its components (Component). Adjustments of DescribeBillAdjustInfo
-- (Data) become items of their month.
--
-- A line is a whole answer or one item. The list is empty for an answer with no items, and null for
-- an answer without a list of items.
select
    source_file_id,
    line_number,
    line,
    whole_line,
    flatten(
        list_transform(
            case
                when json_type(line, '$.Response.DetailSet') = 'ARRAY'
                    then json_extract(line, '$.Response.DetailSet[*]')
                when json_type(line, '$.DetailSet') = 'ARRAY'
                    then json_extract(line, '$.DetailSet[*]')
                {% for data in ['$.Response.Data', '$.Data'] if reading_rules >= 2 %}
                when json_type(line, '{{ data }}') = 'ARRAY'
                    then list_transform(
                        json_extract(line, '{{ data }}[*]'),
                        lambda adjustment: json_object(
                            'PayerUin', adjustment -> 'PayerUin',
                            'BillMonth', adjustment -> 'Month',
                            'FeeBeginTime', (adjustment ->> 'Month') || '-01 00:00:00',
                            'PayTime', adjustment -> 'AdjustCompletionTime',
                            'ActionType', adjustment -> 'AdjustType',
                            'BillId', adjustment -> 'AdjustNum',
                            'ComponentSet', json_array(
                                json_object('RealCost', adjustment -> 'AdjustAmount')
                            )
                        )
                    )
                {% endfor %}
                when json_exists(line, '$.Response') or json_exists(line, '$.DetailSet') then null
                else [json(line)]
            end,
            lambda detail: list_transform(
                case
                    when len(json_extract(detail, '$.ComponentSet[*]')) > 0
                        then json_extract(detail, '$.ComponentSet[*]')
                    else [json('{}')]
                end,
                lambda component: json_object('Detail', detail, 'Component', component)
            )
        )
    ) as items
from {{ json_lines }}
