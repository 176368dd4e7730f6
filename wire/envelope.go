package wire

// An Envelope is what stands around the items of one resource and scope in a request, framed as fields of ResourceX and
// ScopeX. Both parts are borrowed.
type Envelope struct {
	Resource []byte // field FieldResourceXResource
	Scope    []byte // field FieldScopeXScope
}

// sizes are those of the bodies of ResourceX and ScopeX around so many bytes of framed items.
func (e Envelope) sizes(items int) (resource, scope int) {
	scope = len(e.Scope) + items
	return len(e.Resource) + 1 + SizeVarint(uint64(scope)) + scope, scope
}

// Size is how long the request is with so many bytes of framed items.
func (e Envelope) Size(items int) int {
	resource, _ := e.sizes(items)
	return 1 + SizeVarint(uint64(resource)) + resource
}

// Append appends the part of the request that stands before the items, which have so many bytes and follow as they are.
func (e Envelope) Append(dst []byte, items int) []byte {
	resource, scope := e.sizes(items)
	dst = AppendVarint(AppendTag(dst, FieldRequestResource, TypeBytes), uint64(resource))
	dst = append(dst, e.Resource...)
	dst = AppendVarint(AppendTag(dst, FieldResourceXScope, TypeBytes), uint64(scope))
	return append(dst, e.Scope...)
}
