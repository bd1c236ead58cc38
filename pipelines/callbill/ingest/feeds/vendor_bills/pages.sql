-- Adds `items` to lines of the vendor's API DescribeBillDetail: a list of JSON objects, each with
-- one item (Detail) and one of its components (Component).
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
