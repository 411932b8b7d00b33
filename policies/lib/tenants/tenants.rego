# METADATA
# title: Tenants and their models
# description: |
#   data.tenants maps a tenant to patterns of the models that it may use, and says whether it is suspended. Without
#   data.tenants, tenants make no difference. In a pattern, * stands for any characters.
package sluice.tenants

# METADATA
# scope: document
# description: Reasons that are known before the filters run.
denials contains "tenant_unknown" if {
	data.tenants
	not data.tenants[input.principal.tenant]
}

denials contains "tenant_suspended" if data.tenants[input.principal.tenant].suspended

denials contains "model_not_for_tenant" if {
	input.model != ""
	data.tenants[input.principal.tenant]
	not allowed(input.model)
}

# METADATA
# scope: document
# description: A pattern of the tenant fits the model, or there is no list of tenants.
allowed(_) if not data.tenants

allowed(model) if {
	some pattern in data.tenants[input.principal.tenant].models
	glob.match(pattern, null, model)
}
