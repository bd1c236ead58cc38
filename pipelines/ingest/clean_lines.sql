-- sqlfluff:dialect:sparksql
-- Lines of JSON as Spark reads them: one row per record, typed, and whether it is clean. One that
-- could be read in two ways is not: the files of such are read line by line, where it is decided
-- what to accept and why not (call_logs.sql). So this says less than that, and nothing otherwise.
--
-- `lines` gives each line's text and its file's name, which is the file's hash; `known_files` what
-- is known of each.
with parsed as (
    select
        substring(file_name, 1, 64) as source_file_id,
        line,
        -- Spark's parser stops where an object ends; in a frame it has to go on.
        from_json(
            concat('{"line":', line, ',"end":"1"}'),
            '{{ schema }}',
            map(
                'mode', 'PERMISSIVE', 'columnNameOfCorruptRecord', '_corrupt_record',
                'allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false'
            )
        ) as said
    from lines
    where line not rlike r'^[ \t\r\n\f\x0B]*\z'
),

texts as (
    select
        parsed.source_file_id,
        -- Escapes by code, letters that are none, a key that stands there twice, a frame that was
        -- broken out of, a line that fills the memory: not to be judged here.
        (
            startswith(parsed.line, '{')
            and parsed.said._corrupt_record is null
            and parsed.said.end = '1'
            and json_array_length(concat('[', parsed.line, ']')) = 1
            and octet_length(parsed.line) <= 16777216
            and is_valid_utf8(parsed.line)
            and instr(parsed.line, r'\u') = 0
            and instr(parsed.line, char(0)) = 0
            {% for key in keys -%}
            and substring_index(parsed.line, '"{{ key }}"', 2) = parsed.line
            {% endfor -%}
        ) as is_plain,
        {{ texts }}
    from parsed
),

instants as (
    select
        *,
        case
            when
                called_at rlike r'^[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d([.]\d{1,6})?{{ offset }}\z'
                then try_cast(called_at as timestamp)
            when called_at rlike r'^1\d{9}\z' then timestamp_seconds(try_cast(called_at as bigint))
            when called_at rlike r'^1\d{12}\z' then timestamp_millis(try_cast(called_at as bigint))
        end as called_ts,
        case when http_status rlike r'^\d{1,9}\z' then try_cast(http_status as int) end as status,
        case when latency_ms rlike r'^\d{1,9}\z' then try_cast(latency_ms as int) end as latency
    from texts
),

dated as (
    select
        instants.*,
        known_files.arrived_on,
        known_files.settlement_floor,
        cast(from_utc_timestamp(instants.called_ts, '{{ timezone }}') as date) as usage_date
    from instants
    inner join known_files on instants.source_file_id = known_files.source_file_id
)

select
    source_file_id,
    request_id,
    called_ts as called_at,
    owner_uin,
    coalesce(operate_uin, owner_uin) as operate_uin,
    action,
    region,
    status as http_status,
    error_code,
    latency as latency_ms,
    usage_date,
    greatest(date_add(usage_date, 1), settlement_floor) as settled_on,
    settlement_floor,
    coalesce(
        is_plain
        and not is_odd
        and request_id is not null
        and called_ts is not null
        and owner_uin is not null
        and action is not null
        and (status is not null or http_status is null)
        and (latency is not null or latency_ms is null)
        and (error_code is not null or (not has_error and status is not null))
        and usage_date <= date_add(arrived_on, 1),
        false
    ) as is_clean
from dated
