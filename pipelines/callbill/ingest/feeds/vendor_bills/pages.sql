-- Lines with what `line`, a JSON text, holds: a list of objects, an item with one of its components
-- each.
--
-- A line of DescribeBillDetail is a whole answer or one of its items. The list is empty for a page
-- without an item, and null for an answer that has no page.
select
    source_file_id,
    line_number,
    line,
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
