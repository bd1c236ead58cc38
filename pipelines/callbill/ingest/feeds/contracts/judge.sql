{% from 'fields.sql' import is_mangled_number, exact_number, plain_date with context %}
-- One row per line of a contracts file: typed values, and the reason if the line is rejected.
with texts as (
    {{ texts }}
),

typed as (
    select
        source_file_id,
        settlement_floor,
        {{ 'arrived_on' if reading_rules >= 2 else 'cast(null as date) as arrived_on' }},
        line_number,
        owner_uin,
        component_code,
        {{ plain_date('effective_from') }} as effective_from,
        {{ plain_date('effective_to') }} as effective_to,
        effective_to as effective_to_text,
        effective_from as effective_from_text,
        discount as discount_text,
        contract_price as price_text,
        odd_field,
        {{ exact_number('discount') }} as exact_discount,
        {{ exact_number('contract_price') }} as exact_price,
        {{ kept_fields }} as fields,
        {{ cleaned_fields }} as cleaned
    from texts
),

judged as (
    select
        source_file_id,
        settlement_floor,
        arrived_on,
        line_number,
        owner_uin,
        component_code,
        effective_from,
        effective_to,
        try_cast(exact_discount as decimal(9, 6)) as discount,
        try_cast(exact_price as decimal(18, 8)) as contract_price,
        case
            when odd_field is not null then 'invalid_' || odd_field
            when owner_uin is null then 'missing_owner_uin'
            when
                {{ is_mangled_number('owner_uin') }}
                then 'invalid_owner_uin'
            when component_code is null then 'missing_component_code'
            when effective_from_text is null then 'missing_effective_from'
            when effective_from is null then 'invalid_effective_from'
            when effective_to is null and effective_to_text is not null then 'invalid_effective_to'
            when effective_to < effective_from then 'effective_to_before_effective_from'
            when discount_text is null and price_text is null then 'missing_price'
            when discount_text is not null and price_text is not null
                then 'both_discount_and_contract_price'
            when
                discount_text is not null
                and coalesce(
                    exact_discount <= 0
                    or exact_discount > 1
                    or exact_discount <> try_cast(exact_discount as decimal(9, 6)),
                    true
                )
                then 'invalid_discount'
            when
                price_text is not null
                and coalesce(
                    exact_price < 0 or exact_price <> try_cast(exact_price as decimal(18, 8)), true
                )
                then 'invalid_contract_price'
        end as reason,
        fields,
        cleaned
    from typed
)

select * from judged
