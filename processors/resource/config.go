package resource

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's resource processor.
type Config struct {
	// Attributes are applied in order, each to the result of the one before.
	Attributes []Action `mapstructure:"attributes"`
}

// Action changes one resource attribute.
type Action struct {
	// Key is the attribute name.
	Key string `mapstructure:"key"`
	// Action is insert (if absent), update (if present), upsert or delete.
	Action string `mapstructure:"action"`
	// Value is a string, bool, integer or number.
	Value any `mapstructure:"value"`
	// FromAttribute copies another resource attribute's value; if it is absent nothing is done.
	FromAttribute string `mapstructure:"from_attribute"`
	// FromContext copies what came with the request: metadata.HEADER or client.address. If it is absent nothing is done.
	FromContext string `mapstructure:"from_context"`
	// Pattern is a regular expression; delete removes the attributes whose names it matches, too.
	Pattern string `mapstructure:"pattern"`
}

const (
	actionInsert = "insert"
	actionUpdate = "update"
	actionUpsert = "upsert"
	actionDelete = "delete"
)

// Default has no actions, which Validate refuses.
func Default() *Config { return &Config{} }

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Attributes) == 0 {
		errs = append(errs, errors.New(`"attributes" is empty; list at least one {key, action}`))
	}
	for i, a := range c.Attributes {
		a.Action = strings.ToLower(a.Action) // as in the Collector
		c.Attributes[i].Action = a.Action
		for _, e := range a.faults() {
			errs = append(errs, fmt.Errorf(`"attributes[%d]": %s`, i, e))
		}
	}
	return errors.Join(errs...)
}

func (a Action) faults() (out []string) {
	if a.Key == "" && (a.Action != actionDelete || a.Pattern == "") {
		out = append(out, `"key" is missing; write the attribute's name`)
	}
	switch a.Action {
	case actionDelete:
		if a.Value != nil || a.FromAttribute != "" || a.FromContext != "" {
			out = append(out, `"delete" takes neither "value", "from_attribute" nor "from_context"; remove them`)
		}
	case actionInsert, actionUpdate, actionUpsert:
		sources := 0
		for _, given := range []bool{a.Value != nil, a.FromAttribute != "", a.FromContext != ""} {
			if given {
				sources++
			}
		}
		if sources != 1 {
			out = append(out, `write exactly one of "value", "from_attribute" and "from_context"`)
		}
		if a.FromContext != "" {
			if _, fault := ottl.FromContext(a.FromContext); fault != "" {
				out = append(out, `"from_context" `+fault)
			}
		}
	default:
		out = append(out, fmt.Sprintf(`"action" is %q; write insert, update, upsert or delete`, a.Action))
	}
	if a.Pattern != "" && a.Action != actionDelete {
		out = append(out, `"pattern" is used by delete only; remove it`)
	} else if _, err := regexp.Compile(a.Pattern); err != nil {
		out = append(out, fmt.Sprintf(`"pattern" is no regular expression: %v`, err))
	}
	switch a.Value.(type) {
	case nil, string, bool, int, int64, float64:
	default:
		out = append(out, fmt.Sprintf(`"value" is a %T; write a string, a bool or a number`, a.Value))
	}
	if strings.ContainsRune(a.Key, 0) {
		out = append(out, `"key" contains a NUL byte; remove it`)
	}
	return out
}

// AsksMetadata implements pipeline.MetadataUser.
func (c *Config) AsksMetadata() (keys []string) {
	for _, a := range c.Attributes {
		if header, is := strings.CutPrefix(a.FromContext, metadataPrefix); is {
			keys = append(keys, header)
		}
	}
	return keys
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("resource", Default, New, pipeline.Signals[:]...).
		WithDoc("inserts, updates and deletes resource attributes, once per resource and not per record").
		WithUnsupported(map[string]string{
			"attributes::*::converted_type": "write the value in the type you want with upsert",
			"attributes::*::default_value":  "put an insert action after this one",
		})
}
