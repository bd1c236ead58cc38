{#
    What the vendor calls a correction of a bill, by code and by name, and what FOCUS calls charges
    that are not of usage.
#}
{% macro bill_adjustment_names() -%}
    (
        'manualAdjustment', 'supplementarySettlement', 'reSettlement', 'recon_deduct',
        'recon_increase', '调账', '补结算', '重结算', '调账扣费', '调账补偿',
        'Adjustment', 'Credit', 'Fee', 'Purchase', 'Tax'
    )
{%- endmacro %}
