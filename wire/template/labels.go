package template

import (
	"fmt"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// final makes a series' labels: target labels, metric_relabel_configs, checks, as in Prometheus' scrape loop. Empty
// labels mean that the line is dropped.
func (s *Settings) final(p *slowPath) (labels.Labels, error) {
	b := p.builder
	b.Reset(p.lset)
	s.addTarget(b, p.lset)
	if !relabel.ProcessBuilder(b, s.Relabel...) {
		return labels.EmptyLabels(), nil
	}
	out := b.Labels()
	if out.IsEmpty() {
		return out, nil
	}
	if !s.External.IsEmpty() {
		s.addExternal(b)
		out = b.Labels()
	}
	if !out.Has(labels.MetricName) {
		return out, fmt.Errorf("%w: missing metric name (%s label)", ErrInvalid, labels.MetricName)
	}
	if !out.IsValid(s.Validation) {
		return out, fmt.Errorf("%w: invalid metric name or label names: %s", ErrInvalid, out.String())
	}
	if name, double := out.HasDuplicateLabelNames(); double { // what the TSDB would answer
		return out, fmt.Errorf("%w: label name %q is not unique", ErrInvalid, name)
	}
	return out, s.checkLimits(out)
}

// addTarget adds the target's labels. On conflict the line's wins under honor_labels; otherwise it is renamed with
// as many exported_ prefixes as needed.
func (s *Settings) addTarget(b *labels.Builder, lset labels.Labels) {
	var conflicts []labels.Label
	s.Target.Range(func(l labels.Label) {
		own := lset.Get(l.Name)
		if s.HonorLabels {
			if !lset.Has(l.Name) {
				b.Set(l.Name, l.Value)
			}
			return
		}
		if own != "" {
			conflicts = append(conflicts, labels.Label{Name: l.Name, Value: own})
		}
		b.Set(l.Name, l.Value)
	})
	slices.SortStableFunc(conflicts, func(a, b labels.Label) int { return len(a.Name) - len(b.Name) })
	for _, l := range conflicts {
		name := model.ExportedLabelPrefix + l.Name
		for b.Get(name) != "" {
			name = model.ExportedLabelPrefix + name
		}
		b.Set(name, l.Value)
	}
}

func (s *Settings) addExternal(b *labels.Builder) {
	s.External.Range(func(l labels.Label) {
		if b.Get(l.Name) == "" {
			b.Set(l.Name, l.Value)
		}
	})
}

func (s *Settings) checkLimits(lset labels.Labels) error {
	name := lset.Get(labels.MetricName)
	if s.LabelLimit > 0 && lset.Len() > s.LabelLimit {
		return fmt.Errorf("%w: label_limit %d, %.50s has %d labels", ErrLabelLimit, s.LabelLimit, name, lset.Len())
	}
	if s.LabelNameLength == 0 && s.LabelValueLength == 0 {
		return nil
	}
	return lset.Validate(func(l labels.Label) error {
		if s.LabelNameLength > 0 && len(l.Name) > s.LabelNameLength {
			return fmt.Errorf("%w: label_name_length_limit %d, label %.50s of %.50s has %d bytes",
				ErrLabelLimit, s.LabelNameLength, l.Name, name, len(l.Name))
		}
		if s.LabelValueLength > 0 && len(l.Value) > s.LabelValueLength {
			return fmt.Errorf("%w: label_value_length_limit %d, the value of label %.50s of %.50s has %d bytes",
				ErrLabelLimit, s.LabelValueLength, l.Name, name, len(l.Value))
		}
		return nil
	})
}
