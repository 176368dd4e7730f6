package kubetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// write answers the verbs that change something.
func (s *Server) write(w http.ResponseWriter, c *call) error {
	switch c.Verb {
	case "create":
		return s.create(w, c)
	case "update":
		return s.update(w, c)
	case "patch":
		return s.patch(w, c)
	case "delete":
		return s.delete(w, c)
	case "deletecollection":
		return s.deleteAll(w, c)
	}
	return apierrors.NewMethodNotSupported(c.groupResource(), c.Verb)
}

func (s *Server) create(w http.ResponseWriter, c *call) error {
	o, err := c.readBody(c.kind.GVK())
	if err != nil {
		return err
	}
	m := metaOf(o)
	if err := c.sameNamespace(m); err != nil {
		return err
	}
	if m.Name == "" && m.GenerateName != "" {
		m.Name = m.GenerateName + rand.String(5)
	}
	if m.Name == "" {
		return apierrors.NewInvalid(c.kind.GVK().GroupKind(), "", nil)
	}
	if m.ResourceVersion != "" {
		return apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	m.UID, m.CreationTimestamp, m.Generation = "", metav1.Time{}, 0
	if c.kind.Status {
		setStatus(o, c.kind.Object())
	}
	made, err := s.store.Change(c.kind.String(), c.kind.Key(m.Namespace, m.Name), func(old runtime.Object) (runtime.Object, error) {
		if old != nil {
			return nil, apierrors.NewAlreadyExists(c.groupResource(), m.Name)
		}
		fill(c.kind, o, nil)
		return o, nil
	})
	if err != nil {
		return err
	}
	return c.wrote(w, http.StatusCreated, made)
}

func (s *Server) update(w http.ResponseWriter, c *call) error {
	o, err := c.readBody(c.kind.GVK())
	if err != nil {
		return err
	}
	if m := metaOf(o); m.Name != c.Name {
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", m.Name, c.Name))
	}
	if err := c.sameNamespace(metaOf(o)); err != nil {
		return err
	}
	made, err := s.change(c, func(runtime.Object) (runtime.Object, error) { return o, nil })
	if err != nil {
		return err
	}
	return c.wrote(w, http.StatusOK, made)
}

// change replaces an object by a new one with the rules of the API server: versions must agree, the status belongs to its own
// subresource, and what changes nothing is not written.
func (s *Server) change(c *call, make func(old runtime.Object) (runtime.Object, error)) (runtime.Object, error) {
	return s.store.Change(c.kind.String(), c.kind.Key(c.Namespace, c.Name), func(old runtime.Object) (runtime.Object, error) {
		if old == nil {
			return nil, apierrors.NewNotFound(c.groupResource(), c.Name)
		}
		o, err := make(old)
		if err != nil {
			return nil, err
		}
		m, was := metaOf(o), metaOf(old)
		if m.UID != "" && m.UID != was.UID {
			return nil, apierrors.NewConflict(c.groupResource(), c.Name, fmt.Errorf("Precondition failed: UID in precondition: %s, UID in object meta: %s", m.UID, was.UID))
		}
		if m.ResourceVersion != "" && m.ResourceVersion != was.ResourceVersion {
			return nil, apierrors.NewConflict(c.groupResource(), c.Name, errModified)
		}
		switch {
		case c.Subresource == "status":
			status := o
			o = old.DeepCopyObject()
			metaOf(o).ManagedFields = m.ManagedFields
			setStatus(o, status)
			m = metaOf(o)
		case c.kind.Status:
			setStatus(o, old)
		}
		m.UID, m.CreationTimestamp, m.ResourceVersion, m.Generation = was.UID, was.CreationTimestamp, was.ResourceVersion, was.Generation
		m.DeletionTimestamp, m.DeletionGracePeriodSeconds = was.DeletionTimestamp, was.DeletionGracePeriodSeconds
		if equality.Semantic.DeepEqual(o, old) {
			return old, nil
		}
		if c.kind.Status && c.Subresource == "" && !equality.Semantic.DeepEqual(part(o, "Spec"), part(old, "Spec")) {
			m.Generation++
		}
		if m.DeletionTimestamp != nil && len(m.Finalizers) == 0 {
			return nil, nil
		}
		return o, nil
	})
}

var errModified = errors.New("the object has been modified; please apply your changes to the latest version and try again")

func (s *Server) patch(w http.ResponseWriter, c *call) error {
	body, err := io.ReadAll(c.http.Body)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	media, _, err := mime.ParseMediaType(c.http.Header.Get("Content-Type"))
	if err != nil || (media != string(types.MergePatchType) && media != string(types.StrategicMergePatchType)) {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
			Message: "the body of the request was in an unknown format - accepted media types include: application/merge-patch+json, application/strategic-merge-patch+json"}}
	}
	made, err := s.change(c, func(old runtime.Object) (runtime.Object, error) {
		text, err := json.Marshal(typed(old, c.kind.GVK()))
		if err != nil {
			return nil, err
		}
		if media == string(types.MergePatchType) {
			text, err = mergePatch(text, body)
		} else {
			text, err = strategicpatch.StrategicMergePatch(text, body, c.kind.Object())
		}
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		gvk := c.kind.GVK()
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode(text, &gvk, nil)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return bare(o), nil
	})
	if err != nil {
		return err
	}
	return c.wrote(w, http.StatusOK, made)
}

// mergePatch is RFC 7386.
func mergePatch(document, patch []byte) ([]byte, error) {
	var to, with any
	if err := errors.Join(json.Unmarshal(document, &to), json.Unmarshal(patch, &with)); err != nil {
		return nil, err
	}
	var merge func(to, with any) any
	merge = func(to, with any) any {
		changes, isObject := with.(map[string]any)
		if !isObject {
			return with
		}
		out, _ := to.(map[string]any)
		if out == nil {
			out = map[string]any{}
		}
		for key, v := range changes {
			if v == nil {
				delete(out, key)
			} else {
				out[key] = merge(out[key], v)
			}
		}
		return out
	}
	return json.Marshal(merge(to, with))
}

func (s *Server) delete(w http.ResponseWriter, c *call) error {
	var options metav1.DeleteOptions
	body, err := io.ReadAll(c.http.Body)
	if err == nil && len(body) > 0 {
		_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, &options)
	}
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	gone, err := s.remove(c, c.kind.Key(c.Namespace, c.Name), options.Preconditions)
	if err != nil {
		return err
	}
	return c.wrote(w, http.StatusOK, gone)
}

// remove deletes an object, or only marks it where it has finalizers.
func (s *Server) remove(c *call, key string, must *metav1.Preconditions) (runtime.Object, error) {
	return s.store.Change(c.kind.String(), key, func(old runtime.Object) (runtime.Object, error) {
		if old == nil {
			return nil, apierrors.NewNotFound(c.groupResource(), c.Name)
		}
		m := metaOf(old)
		if must != nil && ((must.UID != nil && *must.UID != m.UID) || (must.ResourceVersion != nil && *must.ResourceVersion != m.ResourceVersion)) {
			return nil, apierrors.NewConflict(c.groupResource(), m.Name, errors.New("Precondition failed"))
		}
		if len(m.Finalizers) == 0 {
			return nil, nil
		}
		if m.DeletionTimestamp != nil {
			return old, nil
		}
		marked := old.DeepCopyObject()
		now, none := metav1.Time{Time: time.Now().Truncate(time.Second)}, int64(0)
		metaOf(marked).DeletionTimestamp, metaOf(marked).DeletionGracePeriodSeconds = &now, &none
		return marked, nil
	})
}

func (s *Server) deleteAll(w http.ResponseWriter, c *call) error {
	if err := c.readOptions(s.streaming.Load()); err != nil {
		return err
	}
	items, at, err := s.store.List(c.kind.String(), c.prefix(), 0)
	if err != nil {
		return err
	}
	objects, m := c.page(items, "")
	m.ResourceVersion = fmt.Sprint(at)
	for _, o := range objects {
		if _, err := s.remove(c, c.kind.Key(metaOf(o).Namespace, metaOf(o).Name), nil); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	answer, err := c.form.list(c.kind, objects, m)
	if err != nil {
		return err
	}
	c.form.write(w, http.StatusOK, answer)
	return nil
}

func (c *call) wrote(w http.ResponseWriter, code int, o runtime.Object) error {
	c.seen.objects.Add(1)
	c.form.write(w, code, c.form.one(c.kind, o))
	return nil
}

// sameNamespace fills the namespace in, or refuses another one than the URL's.
func (c *call) sameNamespace(m *metav1.ObjectMeta) error {
	switch {
	case !c.kind.Namespaced:
		return nil
	case m.Namespace == "":
		m.Namespace = c.Namespace
	case m.Namespace != c.Namespace:
		return apierrors.NewBadRequest(fmt.Sprintf("the namespace of the provided object does not match the namespace sent on the request: %s, %s", m.Namespace, c.Namespace))
	}
	return nil
}

// part is a field of an object; nil: it has none.
func part(o runtime.Object, name string) any {
	if f := reflect.ValueOf(o).Elem().FieldByName(name); f.IsValid() {
		return f.Interface()
	}
	return nil
}

func setStatus(to, from runtime.Object) {
	reflect.ValueOf(to).Elem().FieldByName("Status").Set(reflect.ValueOf(from.DeepCopyObject()).Elem().FieldByName("Status"))
}
