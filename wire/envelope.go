package wire

// An Envelope is what surrounds the items of one resource and scope, framed. Both parts are borrowed.
type Envelope struct {
	Resource []byte // field FieldResourceXResource
	Scope    []byte // field FieldScopeXScope
}

// sizes are the body sizes of ResourceX and ScopeX around so many bytes of items.
func (e Envelope) sizes(items int) (resource, scope int) {
	scope = len(e.Scope) + items
	return len(e.Resource) + 1 + SizeVarint(uint64(scope)) + scope, scope
}

// Size is the size of a request with so many bytes of framed items.
func (e Envelope) Size(items int) int {
	resource, _ := e.sizes(items)
	return 1 + SizeVarint(uint64(resource)) + resource
}

// Append appends the request up to the items, which follow and have so many bytes.
func (e Envelope) Append(dst []byte, items int) []byte {
	resource, scope := e.sizes(items)
	dst = AppendVarint(AppendTag(dst, FieldRequestResource, TypeBytes), uint64(resource))
	dst = append(dst, e.Resource...)
	dst = AppendVarint(AppendTag(dst, FieldResourceXScope, TypeBytes), uint64(scope))
	return append(dst, e.Scope...)
}
