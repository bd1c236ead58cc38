-- The rows of `parts` as the values of scripts, one for each share: a list of pairs of an account
-- and its tables by kind. Lists are sorted once they are whole: see in_order.j2.
select
    share_of(owner_uin) as share_number,
    '[' || array_to_string(
        list_transform(
            list_sort(list(row(owner_uin, pair))), lambda kept: struct_extract(kept, 2)
        ),
        ', '
    ) || ']' as script
from (
    select
        owner_uin,
        '[' || to_json(owner_uin) || ', {'
        || array_to_string(list_sort(list(to_json(kind) || ': ' || to_json(shown))), ', ')
        || '}]' as pair
    from parts
    group by owner_uin
) as per_account
group by share_number
order by share_number
