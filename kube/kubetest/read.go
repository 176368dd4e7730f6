package kubetest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluiceio/sluice/kube/kubetest/history"
)

// get answers with one object.
func (s *Server) get(w http.ResponseWriter, c *call) error {
	o := s.store.Get(c.kind.String(), c.kind.Key(c.Namespace, c.Name))
	if o == nil {
		return apierrors.NewNotFound(c.kind.GroupResource(), c.Name)
	}
	c.seen.objects.Add(1)
	c.form.write(w, http.StatusOK, c.form.one(c.kind, o))
	return nil
}

// token is where a list goes on, in the API server's own encoding. Version -1: at the state that then is.
type token struct {
	APIVersion string `json:"v"`
	Version    int64  `json:"rv"`
	Start      string `json:"start"`
}

func (t token) String() string {
	t.APIVersion = "meta.k8s.io/v1"
	text, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func readToken(text string) (token, error) {
	var t token
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &t)
	}
	if err != nil || t.APIVersion != "meta.k8s.io/v1" || t.Start == "" || t.Version == 0 {
		return t, apierrors.NewBadRequest("continue key is not valid")
	}
	return t, nil
}

// list answers with what matches, in pages where a limit is given.
func (s *Server) list(w http.ResponseWriter, c *call) error {
	if err := c.readOptions(s.streaming.Load()); err != nil {
		return err
	}
	version, start, err := s.listAt(c)
	if err != nil {
		return err
	}
	items, at, err := s.store.List(c.kind.String(), c.prefix(), version)
	if errors.Is(err, history.ErrCompacted) {
		return expired(c, start)
	}
	if err != nil {
		return err
	}
	objects, m := c.page(items, start)
	m.ResourceVersion = strconv.FormatInt(at, 10)
	if m.Continue != "" {
		m.Continue = token{Version: at, Start: m.Continue + "\x00"}.String()
	}
	answer, err := c.form.list(c.kind, objects, m)
	if err != nil {
		return err
	}
	c.seen.objects.Add(int64(len(objects)))
	c.form.write(w, http.StatusOK, answer)
	return nil
}

// listAt is the version that a list asks for, 0 for the present one, and the key where it goes on.
func (s *Server) listAt(c *call) (version int64, start string, err error) {
	o := c.options
	if o.Continue != "" {
		if o.ResourceVersion != "" && o.ResourceVersion != "0" {
			return 0, "", apierrors.NewBadRequest("specifying resource version is not allowed when using continue")
		}
		t, err := readToken(o.Continue)
		return max(t.Version, 0), t.Start, err
	}
	asked, err := s.versionOf(o.ResourceVersion)
	if err != nil || asked == 0 {
		return 0, "", err
	}
	// A limit without a match means the exact version, as before there was resourceVersionMatch.
	if o.ResourceVersionMatch == metav1.ResourceVersionMatchExact || (o.ResourceVersionMatch == "" && o.Limit > 0) {
		return asked, "", nil
	}
	return 0, "", nil
}

// versionOf reads a resourceVersion and refuses one that is yet to come.
func (s *Server) versionOf(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 {
		return 0, apierrors.NewBadRequest(fmt.Sprintf("Invalid value: %q: strconv.ParseUint: parsing %q: invalid syntax", text, text))
	}
	if now := s.store.Version(); v > now {
		err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", v, now), 1)
		err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version"}}
		return 0, err
	}
	return v, nil
}

// page is the part of the items that matches and has place; its Continue is the last key where something is left.
func (c *call) page(items []history.Item, start string) (objects []runtime.Object, m metav1.ListMeta) {
	limit := int(c.options.Limit)
	if c.options.ResourceVersion == "0" {
		limit = 0 // answered from the watch cache, whole
	}
	last := ""
	for i, item := range items {
		if strings.TrimPrefix(item.Key, c.prefix()) < start || !c.matches(item.Object) {
			continue
		}
		if limit > 0 && len(objects) == limit {
			m.Continue = last
			if c.labels.Empty() && c.fields.Empty() {
				left := int64(len(items) - i)
				m.RemainingItemCount = &left
			}
			return objects, m
		}
		objects = append(objects, item.Object)
		last = strings.TrimPrefix(item.Key, c.prefix())
	}
	return objects, m
}

// expired says that a list can not go on, with the token to go on at the present state.
func expired(c *call, start string) error {
	if c.options.Continue == "" {
		return apierrors.NewResourceExpired("The resourceVersion for the provided list is too old.")
	}
	err := apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result. You can start a new list without " +
		"the continue parameter, or use the continue token in this response to retrieve the remainder of the list. Continuing with the provided token " +
		"results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.")
	err.ErrStatus.ListMeta.Continue = token{Version: -1, Start: start}.String()
	return err
}
