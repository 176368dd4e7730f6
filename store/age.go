package store

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Age is a Prometheus duration, such as 7d, 36h or 1w2d.
type Age time.Duration

// UnmarshalText parses an age.
func (a *Age) UnmarshalText(text []byte) error {
	d, err := model.ParseDuration(string(text))
	if err != nil {
		goDuration, goErr := time.ParseDuration(string(text)) // the Collector's format, such as 1.5h
		if goErr != nil || goDuration < 0 {
			return fmt.Errorf("%q is not a duration; write a number and a unit, as in 7d or 36h", text)
		}
		d = model.Duration(goDuration)
	}
	*a = Age(d)
	return nil
}

// String is the inverse of UnmarshalText.
func (a Age) String() string { return model.Duration(a).String() }
