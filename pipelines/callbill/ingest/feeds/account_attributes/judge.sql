-- One row per line of a file of account attributes: typed values, and the reason if the line is
-- rejected.
with texts as (
    {{ texts }}
),

typed as (
    select
        source_file_id,
        settlement_floor,
        arrived_on,
        line_number,
        owner_uin,
        attribute,
        value,
        -- Only plain dates, because a time of day would need a time zone.
        case
            when regexp_full_match(effective_from, '\d{4}-\d{2}-\d{2}( 00:00:00)?')
                then try_cast(left(effective_from, 10) as date)
        end as effective_from,
        effective_from as effective_from_text,
        odd_field,
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
        attribute,
        value,
        effective_from,
        case
            when odd_field is not null then 'invalid_' || odd_field
            when owner_uin is null then 'missing_owner_uin'
            when attribute is null then 'missing_attribute'
            -- No shape and no claim has another one.
            when not regexp_full_match(attribute, '{{ attribute_name }}') then 'invalid_attribute'
            when value is null then 'missing_value'
            when effective_from_text is null then 'missing_effective_from'
            when effective_from is null then 'invalid_effective_from'
        end as reason,
        fields,
        cleaned
    from typed
)

select * from judged
