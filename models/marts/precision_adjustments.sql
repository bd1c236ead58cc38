-- 月度计费精度差异: by how much the deductions of a month differ from what was rated.
{{ precision_adjustments_of(ref('settlements'), settle_through()) }}
