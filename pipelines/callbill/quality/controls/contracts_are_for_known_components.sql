select
    owner_uin,
    component_code,
    effective_from,
    source_file_id,
    line_number
from raw.contracts
where component_code not in (select components.component_code from seeds.components)
