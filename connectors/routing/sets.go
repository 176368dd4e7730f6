package routing

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sluiceio/sluice/pipeline"
)

// sets are the sets of pipelines that records go to. One is made when the first record goes to it: which sets there can be
// is known only where each route moves.
type sets struct {
	out     pipeline.Outputs
	all     []pipeline.ID
	choices [][]int // pipelines, as indices of all: of each route, and last the default ones
	none    *set

	mu   sync.Mutex
	made map[string]*set
}

// A set is some pipelines, and what it becomes with those of a choice.
type set struct {
	pipelines []int
	sink      pipeline.Sink // nil for no pipeline
	with      []atomic.Pointer[set]
}

func newSets(out pipeline.Outputs) *sets {
	return &sets{out: out, all: out.Pipelines(), made: map[string]*set{}}
}

// choice adds the pipelines of a route.
func (s *sets) choice(at string, names []string) error {
	var ids []pipeline.ID
	var choice []int
	for _, name := range names {
		id, err := pipeline.ParseID(name)
		if err != nil {
			return fmt.Errorf("%q: %w", at, err)
		}
		ids, choice = append(ids, id), append(choice, slices.Index(s.all, id))
	}
	s.choices = append(s.choices, choice)
	if len(ids) > 0 {
		if _, err := s.out.To(ids...); err != nil {
			return fmt.Errorf("%q: %w", at, err)
		}
	}
	return nil
}

// with is the set with the pipelines of a choice.
func (s *sets) with(from *set, choice int) *set {
	if next := from.with[choice].Load(); next != nil {
		return next
	}
	pipelines := append(slices.Clone(from.pipelines), s.choices[choice]...)
	slices.Sort(pipelines)
	next := s.of(slices.Compact(pipelines))
	from.with[choice].Store(next)
	return next
}

func (s *sets) of(pipelines []int) *set {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprint(pipelines)
	if one := s.made[key]; one != nil {
		return one
	}
	one := &set{pipelines: pipelines, with: make([]atomic.Pointer[set], len(s.choices))}
	if len(pipelines) > 0 {
		var ids []pipeline.ID
		for _, i := range pipelines {
			ids = append(ids, s.all[i])
		}
		one.sink, _ = s.out.To(ids...) // choice has tried each
	}
	s.made[key] = one
	return one
}
