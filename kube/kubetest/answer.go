package kubetest

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sluiceio/sluice/kube/kubetest/table"
)

// form is how the client wants objects.
type form struct {
	runtime.SerializerInfo
	partial bool // only the metadata, as PartialObjectMetadata of meta.k8s.io/v1
}

// negotiate takes the first media type that the server can write. JSON where the client names none.
func negotiate(accept string) (form, bool) {
	if accept == "" {
		accept = runtime.ContentTypeJSON
	}
	for _, want := range strings.Split(accept, ",") {
		name, params, err := mime.ParseMediaType(want)
		if err != nil {
			continue
		}
		if name == "*/*" || name == "application/*" {
			name = runtime.ContentTypeJSON
		}
		var f form
		switch as := params["as"]; {
		case as == "":
		case strings.HasPrefix(as, "PartialObjectMetadata") && params["g"] == metav1.GroupName && params["v"] == "v1":
			f.partial = true
		default:
			continue // tables, aggregated discovery
		}
		info, known := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), name)
		if !known || info.StreamSerializer == nil {
			continue
		}
		f.SerializerInfo = info
		return f, true
	}
	return form{}, false
}

// jsonForm is for clients that did not say what they read, or said it wrongly.
func jsonForm() form { f, _ := negotiate(""); return f }

// typed returns a shallow copy that says what it is; stored objects do not, and are shared.
func typed(o runtime.Object, gvk schema.GroupVersionKind) runtime.Object {
	v := reflect.New(reflect.TypeOf(o).Elem())
	v.Elem().Set(reflect.ValueOf(o).Elem())
	c := v.Interface().(runtime.Object)
	c.GetObjectKind().SetGroupVersionKind(gvk)
	return c
}

var (
	partialKind     = metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata")
	partialListKind = metav1.SchemeGroupVersion.WithKind("PartialObjectMetadataList")
)

// one returns an object of the kind as the client gets it.
func (f form) one(k *table.Kind, o runtime.Object) runtime.Object {
	if !f.partial {
		return typed(o, k.GVK())
	}
	p := &metav1.PartialObjectMetadata{ObjectMeta: *o.(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta)}
	p.SetGroupVersionKind(partialKind)
	return p
}

// list returns objects of the kind as the client gets them.
func (f form) list(k *table.Kind, objects []runtime.Object, m metav1.ListMeta) (runtime.Object, error) {
	if f.partial {
		l := &metav1.PartialObjectMetadataList{ListMeta: m, Items: make([]metav1.PartialObjectMetadata, 0, len(objects))}
		for _, o := range objects {
			l.Items = append(l.Items, *f.one(k, o).(*metav1.PartialObjectMetadata))
		}
		l.SetGroupVersionKind(partialListKind)
		return l, nil
	}
	gvk := k.GV().WithKind(k.Name + "List")
	l, err := scheme.Scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	if err := meta.SetList(l, objects); err != nil {
		return nil, err
	}
	lm, err := meta.ListAccessor(l)
	if err != nil {
		return nil, err
	}
	lm.SetResourceVersion(m.ResourceVersion)
	lm.SetContinue(m.Continue)
	lm.SetRemainingItemCount(m.RemainingItemCount)
	l.GetObjectKind().SetGroupVersionKind(gvk)
	return l, nil
}

// write answers with an object.
func (f form) write(w http.ResponseWriter, code int, o runtime.Object) {
	var body bytes.Buffer
	if err := f.Serializer.Encode(o, &body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", f.MediaType)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.Header().Set("Cache-Control", "no-cache, private")
	w.WriteHeader(code)
	_, _ = w.Write(body.Bytes())
}

// statusOf is the Status of an error, as the API server words it.
func statusOf(err error) *metav1.Status {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.Status = metav1.StatusFailure
	status.SetGroupVersionKind(metav1.Unversioned.WithKind("Status"))
	return &status
}

// fail answers with the Status of an error.
func (f form) fail(w http.ResponseWriter, err error) {
	status := statusOf(err)
	if d := status.Details; d != nil && d.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(d.RetryAfterSeconds)))
	}
	f.write(w, int(status.Code), status)
}
