-- The rows of `parts` as the values of scripts, one for each share: a list of pairs of an account
-- and its tables by kind.
select
    share_of(owner_uin) as share_number,
    '[' || string_agg(pair, ', ' order by owner_uin) || ']' as script
from (
    select
        owner_uin,
        '[' || to_json(owner_uin) || ', {'
        || string_agg(to_json(kind) || ': ' || to_json(shown), ', ' order by kind)
        || '}]' as pair
    from parts
    group by owner_uin
) as per_account
group by share_number
order by share_number
