select
    owner_uin,
    component_code,
    effective_from,
    settlement_floor,
    arrived_on,
    count(distinct source_file_id) as files
from raw.contracts
where settlement_floor between date '{{ settle_from }}' and date '{{ settle_through }}'
group by owner_uin, component_code, effective_from, settlement_floor, arrived_on
having
    count(distinct source_file_id) > 1
    and count(distinct row(effective_to, discount, contract_price)) > 1
