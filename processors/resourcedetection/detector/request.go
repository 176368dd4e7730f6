package detector

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// A status is an answer other than 200.
type status int

func (s status) Error() string { return fmt.Sprintf("answered %d", int(s)) }

// ask makes a request with headers and returns the body of a 200. Errors do not show the headers or the body.
func ask(ctx context.Context, client *http.Client, method, url string, headers map[string]string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	for name, v := range headers {
		req.Header.Set(name, v)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %w", url, status(res.StatusCode))
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = fmt.Errorf("the answer of %s is longer than %d bytes", url, maxAnswer)
	}
	return b, err
}

// text is the answer as one line.
func text(b []byte) string { return strings.TrimSpace(strings.ToValidUTF8(string(b), "\uFFFD")) }

func decode(b []byte, into any) error {
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("the answer is not the JSON that was expected: %w", err)
	}
	return nil
}

// last is what stands behind the last slash: metadata services give names with their path.
func last(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }
