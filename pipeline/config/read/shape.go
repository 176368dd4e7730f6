package read

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// Shape describes a place by its Go type: the keys it takes, and whether it is secret. It sees through pointers,
// squashed structs and configoptional.
type Shape struct {
	typ      reflect.Type // nil: anything may stand here
	optional bool         // a configoptional section, which takes the key enabled as well
	secret   bool         // at or below a configopaque type
}

type field struct {
	Key string
	typ reflect.Type
}

const (
	opaquePackage   = "go.opentelemetry.io/collector/config/configopaque"
	optionalPackage = "go.opentelemetry.io/collector/config/configoptional"
)

func ShapeOf(t reflect.Type) Shape { return Shape{typ: t}.through() }

func (s Shape) through() Shape {
	for s.typ != nil {
		switch {
		case s.typ.Kind() == reflect.Pointer:
			s.typ = s.typ.Elem()
		case isOptional(s.typ):
			get, _ := reflect.PointerTo(s.typ).MethodByName("Get")
			s.typ, s.optional = get.Type.Out(0).Elem(), true
		default:
			s.secret = s.secret || s.typ.PkgPath() == opaquePackage
			return s
		}
	}
	return s
}

func isOptional(t reflect.Type) bool {
	return t.PkgPath() == optionalPackage && strings.HasPrefix(t.Name(), "Optional[")
}

// reads reports whether the type has its own Unmarshal, so that its fields may differ from its keys.
func (s Shape) reads() bool {
	return s.typ != nil && reflect.PointerTo(s.typ).Implements(reflect.TypeFor[confmap.Unmarshaler]())
}

func (s Shape) isText() bool {
	return s.typ != nil && s.Kind() != reflect.Interface && reflect.PointerTo(s.typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (s Shape) Kind() reflect.Kind {
	if s.typ == nil {
		return reflect.Interface
	}
	return s.typ.Kind()
}

func (s Shape) takesMap() bool {
	switch s.Kind() {
	case reflect.Struct, reflect.Map, reflect.Interface:
		return !s.isText()
	}
	return s.reads() // configopaque.MapList is a slice that may be written as a map
}

func (s Shape) takesList() bool {
	switch s.Kind() {
	case reflect.Slice, reflect.Array, reflect.Interface:
		return true
	}
	return s.reads()
}

// fields lists the keys of a struct in declaration order. open: other keys are allowed too.
func (s Shape) fields() (list []field, open bool) {
	if s.Kind() != reflect.Struct {
		return nil, true
	}
	open = s.reads()
	for i := range s.typ.NumField() {
		f := s.typ.Field(i)
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get(confmap.MapstructureTag), ",")
		switch {
		case strings.Contains(options, "squash"):
			below := ShapeOf(f.Type)
			more, free := below.fields()
			list = append(list, more...)
			open = open || free
		case strings.Contains(options, "remain"):
			open = true
		case name == "-":
		case name == "":
			list = append(list, field{f.Name, f.Type})
		default:
			list = append(list, field{name, f.Type})
		}
	}
	return list, open
}

// Child is the shape below a key or list index; ok is false if the type has no such key.
func (s Shape) Child(key string) (below Shape, ok bool) {
	below = Shape{secret: s.secret}
	switch s.Kind() {
	case reflect.Struct:
		list, open := s.fields()
		for _, f := range list {
			if f.Key == key {
				below.typ = f.typ
				return below.through(), true
			}
		}
		return below, open || (s.optional && key == "enabled")
	case reflect.Map, reflect.Slice, reflect.Array:
		if s.reads() && s.Kind() != reflect.Map {
			if _, err := strconv.Atoi(key); err != nil {
				return below, true
			}
		}
		below.typ = s.typ.Elem()
		return below.through(), true
	case reflect.Interface:
		return below, true
	}
	return below, false
}

// trim turns a path of confmap.Validate into a file path, by dropping the names of squashed structs. ok is false if
// it does not fit the type.
func (s Shape) trim(path []string) (trimmed []string, ok bool) {
	for _, key := range path {
		if embedded, is := s.squashed(key); is {
			s = embedded
			continue
		}
		below, ok := s.Child(key)
		if !ok {
			return nil, false
		}
		trimmed, s = append(trimmed, key), below
	}
	return trimmed, true
}

// squashed finds the squashed struct that confmap.Validate names by its lower-case field name.
func (s Shape) squashed(name string) (Shape, bool) {
	if s.Kind() != reflect.Struct {
		return Shape{}, false
	}
	for i := range s.typ.NumField() {
		f := s.typ.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get(confmap.MapstructureTag), ",")
		if tag == "" && strings.Contains(options, "squash") && strings.ToLower(f.Name) == name {
			return ShapeOf(f.Type), true
		}
	}
	return Shape{}, false
}

func (s Shape) walk(path []string) Shape {
	for _, key := range path {
		s, _ = s.Child(key)
	}
	return s
}
