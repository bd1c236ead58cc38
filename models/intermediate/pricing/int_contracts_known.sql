{{ config(meta={"only_of": "contracts"}) }}

-- Versions of contracts with the settlement dates on which each is the one known.
{{ contracts_known(source('raw', 'contracts')) }}
