package credential

import (
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/sluiceio/sluice/delivery/answer"
)

// A Redactor makes the words of a destination fit for an error: short, printable, without any secret that we sent it.
type Redactor struct {
	auth    *Credential
	headers []string
}

// NewRedactor makes one for a credential, which may be nil, and the values of configured headers.
func NewRedactor(auth *Credential, headers configopaque.MapList) *Redactor {
	r := &Redactor{auth: auth}
	for _, value := range headers.Iter {
		r.headers = append(r.headers, string(value))
	}
	return r
}

// Text returns at most 200 bytes of text.
func (r *Redactor) Text(text string) string {
	return answer.Excerpt(text, append(r.auth.Secrets(), r.headers...))
}

// Error returns err with its text cut like that; errors.Is still sees through it.
func (r *Redactor) Error(err error) error { return redacted{err, r} }

type redacted struct {
	err error
	by  *Redactor
}

func (r redacted) Error() string { return r.by.Text(r.err.Error()) }
func (r redacted) Unwrap() error { return r.err }
