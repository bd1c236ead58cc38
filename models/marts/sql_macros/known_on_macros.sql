{{ config(materialized="statements", contract={"enforced": false}) }}

-- SQL macros that give the bill as it was known on a date: macros/known_on.sql has their text.
-- depends_on: {{ ref('bill_lines') }}, {{ ref('settlements') }}
{{ create_known_on_macros() }} -- noqa: PRS, AL10, AM04, LT14
