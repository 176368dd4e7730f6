package store

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Age is a time span that people write as 7d, 36h or 1w2d: Prometheus' durations, which know days.
type Age time.Duration

// UnmarshalText reads an age.
func (a *Age) UnmarshalText(text []byte) error {
	d, err := model.ParseDuration(string(text))
	if err != nil {
		goDuration, goErr := time.ParseDuration(string(text)) // 1.5h, which the Collector's keys take
		if goErr != nil || goDuration < 0 {
			return fmt.Errorf("%q is not a time span; write a number and a unit, as in 7d or 36h", text)
		}
		d = model.Duration(goDuration)
	}
	*a = Age(d)
	return nil
}

// String is the form that UnmarshalText reads.
func (a Age) String() string { return model.Duration(a).String() }
