-- The numbers and names of all accounts, in files of so many rows.
with found as (
    select
        owner_uin,
        account_name,
        (row_number() over (order by owner_uin) - 1) // {{ rows_a_file }} as file_no
    from billing.accounts
)

select
    file_no,
    min(owner_uin) as first_owner,
    to_json(list({{ found }} order by owner_uin)) as script
from found
group by file_no
order by file_no
