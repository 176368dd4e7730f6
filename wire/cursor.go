package wire

// Resources walks the ResourceX of a request: for c := r.Resources(); c.Next(); { ... }.
type Resources struct {
	list
	frame int // where the tag of the current ResourceX begins
}

// Resources returns a cursor before the first ResourceX.
func (r Request) Resources() Resources {
	return Resources{list: list{b: r, tag: FieldRequestResource<<3 | TypeBytes}}
}

// Next moves to the next ResourceX.
func (c *Resources) Next() bool {
	for c.pos < len(c.b) {
		c.frame = c.pos
		if c.b[c.pos] == c.tag {
			return c.next()
		}
		c.pos = skip(c.b, c.pos)
	}
	return false
}

// Bytes returns the body of the current ResourceX.
func (c *Resources) Bytes() []byte { return c.body() }

// Range returns the bounds of the current ResourceX with tag and length, so that r[start:end] is itself a request.
func (c *Resources) Range() (start, end int) { return c.frame, c.pos }

// Resource returns the body of the Resource, or nil.
func (c *Resources) Resource() []byte { return find(c.body(), FieldResourceXResource) }

// SchemaURL returns the schema URL of the ResourceX.
func (c *Resources) SchemaURL() []byte { return find(c.body(), FieldResourceXSchemaURL) }

// Scopes returns a cursor before the first ScopeX of the current ResourceX.
func (c *Resources) Scopes() Scopes {
	return Scopes{list{b: c.body(), tag: FieldResourceXScope<<3 | TypeBytes}}
}

// Scopes walks the ScopeX of a ResourceX.
type Scopes struct{ list }

// Next moves to the next ScopeX.
func (c *Scopes) Next() bool { return c.next() }

// Bytes returns the body of the current ScopeX.
func (c *Scopes) Bytes() []byte { return c.body() }

// Scope returns the body of the InstrumentationScope, or nil.
func (c *Scopes) Scope() []byte { return find(c.body(), FieldScopeXScope) }

// SchemaURL returns the schema URL of the ScopeX.
func (c *Scopes) SchemaURL() []byte { return find(c.body(), FieldScopeXSchemaURL) }

// Items returns a cursor before the first item of the current ScopeX.
func (c *Scopes) Items() Items {
	return Items{list{b: c.body(), tag: FieldScopeXItem<<3 | TypeBytes}}
}

// Items walks the metrics, log records or spans of a ScopeX.
type Items struct{ list }

// Next moves to the next item.
func (c *Items) Next() bool { return c.next() }

// Bytes returns the body of the current Metric, LogRecord or Span.
func (c *Items) Bytes() []byte { return c.body() }

// ResourceAttributes returns a cursor over the attributes of a Resource body.
func ResourceAttributes(resource []byte) Attributes {
	return attributes(resource, FieldResourceAttributes)
}

// A Scope is a view of an InstrumentationScope.
type Scope struct {
	Name, Version     []byte
	DroppedAttributes uint32
	body              []byte
}

// ParseScope reads an InstrumentationScope body.
func ParseScope(scope []byte) Scope {
	s := Scope{body: scope}
	for pos := 0; pos < len(scope); {
		switch scope[pos] {
		case FieldScopeName<<3 | TypeBytes:
			s.Name, pos = view(scope, pos+1)
		case FieldScopeVersion<<3 | TypeBytes:
			s.Version, pos = view(scope, pos+1)
		case FieldScopeDroppedAttributes<<3 | TypeVarint:
			var v uint64
			v, pos = uvarint(scope, pos+1)
			s.DroppedAttributes = uint32(v)
		default:
			pos = skip(scope, pos)
		}
	}
	return s
}

// Attributes returns a cursor over the attributes of the scope.
func (s Scope) Attributes() Attributes { return attributes(s.body, FieldScopeAttributes) }

// Attributes walks the KeyValues of a field, or the entries of a map value, in order. Keys may repeat; pdata's
// Map.Get and Find take the first.
type Attributes struct {
	list
	key, value []byte
}

func attributes(body []byte, field int) Attributes {
	return Attributes{list: list{b: body, tag: byte(field<<3 | TypeBytes)}}
}

// Next moves to the next attribute.
func (a *Attributes) Next() bool {
	b, pos := a.b, a.pos
	if pos >= len(b) {
		return false
	}
	// Fast path: a key and a value, both below 128 bytes. SDKs write the key first, pdata last.
	if pos+6 <= len(b) && b[pos] == a.tag && b[pos+1] < 0x80 {
		end, second := pos+2+int(b[pos+1]), pos+4+int(b[pos+3])
		if end <= len(b) && second+2 <= end && int(b[second+1]) == end-second-2 {
			switch uint16(b[pos+2])<<8 | uint16(b[second]) {
			case keyTag<<8 | valueTag:
				a.key, a.value = b[pos+4:second:second], b[second+2:end:end]
				a.start, a.pos = pos+2, end
				return true
			case valueTag<<8 | keyTag:
				a.value, a.key = b[pos+4:second:second], b[second+2:end:end]
				a.start, a.pos = pos+2, end
				return true
			}
		}
	}
	return a.slowNext()
}

const (
	keyTag   = FieldKeyValueKey<<3 | TypeBytes
	valueTag = FieldKeyValueValue<<3 | TypeBytes
)

// slowNext is Next for every shape.
func (a *Attributes) slowNext() bool {
	if !a.next() {
		return false
	}
	kv := a.b[a.start:a.pos]
	a.key, a.value = nil, nil
	for pos := 0; pos < len(kv); {
		switch kv[pos] {
		case keyTag:
			a.key, pos = view(kv, pos+1)
		case valueTag:
			a.value, pos = view(kv, pos+1)
		default:
			pos = skip(kv, pos)
		}
	}
	return true
}

// Key returns the key of the current attribute.
func (a *Attributes) Key() []byte { return a.key }

// Value returns the value of the current attribute.
func (a *Attributes) Value() Value { return parseValue(a.value) }

// Bytes returns the KeyValue body.
func (a *Attributes) Bytes() []byte { return a.body() }

// Find returns the value of the first attribute with the key at or after the cursor, which does not move.
func (a Attributes) Find(key string) (Value, bool) {
	for a.Next() {
		if string(a.key) == key {
			return a.Value(), true
		}
	}
	return Value{}, false
}
