-- A month's bill of an account and product: from list cost by discount to what was deducted.
{{ monthly_bills_of(ref('bill_lines'), ref('settlements')) }}
