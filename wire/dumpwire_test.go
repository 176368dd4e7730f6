package wire

// dumpWire is dumpPdata read with the cursors.
func dumpWire(s Signal, r Request) string {
	d := &dump{}
	for rs := r.Resources(); rs.Next(); {
		d.text("\nresource", string(rs.SchemaURL()))
		d.wireAttrs(ResourceAttributes(rs.Resource()))
		for sc := rs.Scopes(); sc.Next(); {
			d.text("\n scope", string(sc.SchemaURL()))
			scope := ParseScope(sc.Scope())
			d.text("name", string(scope.Name))
			d.text("version", string(scope.Version))
			d.put("dropped", scope.DroppedAttributes)
			d.wireAttrs(scope.Attributes())
			for it := sc.Items(); it.Next(); {
				switch s {
				case Metrics:
					d.wireMetric(ParseMetric(it.Bytes()))
				case Logs:
					d.wireLog(ParseLog(it.Bytes()))
				case Traces:
					d.wireSpan(ParseSpan(it.Bytes()))
				}
			}
		}
	}
	return d.String()
}

func (d *dump) wireAttrs(a Attributes) {
	d.WriteString("{")
	for a.Next() {
		d.text("", string(a.Key()))
		d.wireValue(a.Value())
	}
	d.WriteString("}")
}

func (d *dump) wireValue(v Value) {
	d.text("text", string(v.AppendText(nil)))
	switch v.Kind() {
	case ValueString:
		d.text("str", string(v.Str()))
	case ValueBool:
		d.put("bool", v.Bool())
	case ValueInt:
		d.put("int", v.Int())
	case ValueDouble:
		d.put("double", v.Double())
	case ValueBytes:
		d.text("bytes", string(v.Bytes()))
	case ValueMap:
		d.wireAttrs(v.Map())
	case ValueArray:
		d.WriteString("[")
		for c := v.Array(); c.Next(); {
			d.wireValue(c.Value())
		}
		d.WriteString("]")
	}
}

func (d *dump) wireLog(l Log) {
	d.put("\n  log", l.Time)
	d.put("observed", l.ObservedTime)
	d.put("severity", l.SeverityNumber)
	d.text("text", string(l.SeverityText))
	d.text("event", string(l.EventName))
	d.put("flags", l.Flags)
	d.put("dropped", l.DroppedAttributes)
	d.id("trace", l.TraceID)
	d.id("span", l.SpanID)
	d.wireValue(l.Body)
	d.wireAttrs(l.Attributes())
}

func (d *dump) wireSpan(s Span) {
	d.id("\n  span", s.TraceID)
	d.id("id", s.SpanID)
	d.id("parent", s.ParentSpanID)
	d.text("name", string(s.Name))
	d.text("state", string(s.TraceState))
	d.put("kind", s.Kind)
	d.put("start", s.Start)
	d.put("end", s.End)
	d.put("flags", s.Flags)
	d.put("dropped", []uint32{s.DroppedAttributes, s.DroppedEvents, s.DroppedLinks})
	d.put("status", s.StatusCode)
	d.text("message", string(s.StatusMessage))
	d.wireAttrs(s.Attributes())
	for c := s.Events(); c.Next(); {
		e := c.Event()
		d.put("\n   event", e.Time)
		d.text("name", string(e.Name))
		d.put("dropped", e.DroppedAttributes)
		d.wireAttrs(e.Attributes())
	}
	for c := s.Links(); c.Next(); {
		l := c.Link()
		d.id("\n   link", l.TraceID)
		d.id("span", l.SpanID)
		d.text("state", string(l.TraceState))
		d.put("dropped", l.DroppedAttributes)
		d.put("flags", l.Flags)
		d.wireAttrs(l.Attributes())
	}
}

func (d *dump) wireMetric(m Metric) {
	d.text("\n  metric", string(m.Name))
	d.text("description", string(m.Description))
	d.text("unit", string(m.Unit))
	d.wireAttrs(m.Metadata())
	switch m.Type {
	case MetricGauge:
		d.WriteString(" gauge")
	case MetricSum:
		d.WriteString(" sum")
		d.put("temporality", m.Temporality)
		d.put("monotonic", m.Monotonic)
	case MetricHistogram:
		d.WriteString(" histogram")
		d.put("temporality", m.Temporality)
	case MetricExponentialHistogram:
		d.WriteString(" exponential")
		d.put("temporality", m.Temporality)
	case MetricSummary:
		d.WriteString(" summary")
	}
	for c := m.Points(); c.Next(); {
		switch m.Type {
		case MetricGauge, MetricSum:
			d.wireNumber(ParseNumberPoint(c.Bytes()))
		case MetricHistogram:
			d.wireHistogram(ParseHistogramPoint(c.Bytes()))
		case MetricExponentialHistogram:
			d.wireExponential(ParseExponentialHistogramPoint(c.Bytes()))
		case MetricSummary:
			d.wireSummary(ParseSummaryPoint(c.Bytes()))
		}
	}
}

func (d *dump) wirePoint(times [2]uint64, flags uint32, attrs Attributes) {
	d.put("\n   point", []uint64{times[0], times[1], uint64(flags)})
	d.wireAttrs(attrs)
}

func (d *dump) wireNumber(p NumberPoint) {
	d.wirePoint([2]uint64{p.Start, p.Time}, p.Flags, p.Attributes())
	d.wireNumberValue(p.HasValue, p.IsInt, p.Int, p.Double)
	d.wireExemplars(p.Exemplars())
}

func (d *dump) wireNumberValue(has, isInt bool, i int64, f float64) {
	switch {
	case has && isInt:
		d.put("int", i)
	case has:
		d.put("double", f)
	}
}

func (d *dump) wireExemplars(c Exemplars) {
	for c.Next() {
		e := c.Exemplar()
		d.put("\n    exemplar", e.Time)
		d.wireNumberValue(e.HasValue, e.IsInt, e.Int, e.Double)
		d.id("trace", e.TraceID)
		d.id("span", e.SpanID)
		d.wireAttrs(e.Attributes())
	}
}

func (d *dump) wireHistogram(p HistogramPoint) {
	d.wirePoint([2]uint64{p.Start, p.Time}, p.Flags, p.Attributes())
	d.put("count", p.Count)
	d.optional("sum", p.HasSum, p.Sum)
	d.optional("min", p.HasMin, p.Min)
	d.optional("max", p.HasMax, p.Max)
	for i := range p.BucketCounts.Len() {
		d.put("bucket", p.BucketCounts.At(i))
	}
	for i := range p.ExplicitBounds.Len() {
		d.put("bound", p.ExplicitBounds.At(i))
	}
	d.wireExemplars(p.Exemplars())
}

func (d *dump) wireExponential(p ExponentialHistogramPoint) {
	d.wirePoint([2]uint64{p.Start, p.Time}, p.Flags, p.Attributes())
	d.put("count", p.Count)
	d.optional("sum", p.HasSum, p.Sum)
	d.optional("min", p.HasMin, p.Min)
	d.optional("max", p.HasMax, p.Max)
	d.put("scale", p.Scale)
	d.put("zero", p.ZeroCount)
	d.put("threshold", p.ZeroThreshold)
	for _, k := range []Buckets{p.Positive, p.Negative} {
		d.put("offset", k.Offset)
		d.put("len", k.Len())
		for c := k.Counts(); c.Next(); {
			d.put("bucket", c.Value())
		}
	}
	d.wireExemplars(p.Exemplars())
}

func (d *dump) wireSummary(p SummaryPoint) {
	d.wirePoint([2]uint64{p.Start, p.Time}, p.Flags, p.Attributes())
	d.put("count", p.Count)
	d.put("sum", p.Sum)
	for c := p.Quantiles(); c.Next(); {
		d.put("quantile", c.Quantile())
		d.put("value", c.Value())
	}
}
