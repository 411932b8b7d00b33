package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
)

// mlflow answers as MLflow's model registry does, for a model churn with versions 1 to 4, of which 3 is the champion.
func mlflow(w http.ResponseWriter, r *http.Request, body []byte) {
	q := r.URL.Query()
	found := map[string]string{
		"/api/2.0/mlflow/registered-models/alias churn champion": `{"model_version":{"name":"churn","version":"3"}}`,
		"/api/2.0/mlflow/model-versions/get churn 2":             `{"model_version":{"name":"churn","version":"2"}}`,
	}[r.URL.Path+" "+q.Get("name")+" "+q.Get("alias")+q.Get("version")]
	if r.URL.Path == "/api/2.0/mlflow/model-versions/search" && q.Get("order_by") == "version_number DESC" && q.Get("max_results") == "1" {
		found = map[string]string{"name='churn'": `{"model_versions":[{"name":"churn","version":"4"}]}`, "name='none'": `{}`}[q.Get("filter")]
	}
	if found == "" {
		modelserver.Status(404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"SECRET"}`)(w, r, body)
		return
	}
	modelserver.JSON(found)(w, r, body)
}

// clouderaRegistry answers as the Cloudera AI Registry and the Inference service do.
func clouderaRegistry(w http.ResponseWriter, r *http.Request, body []byte) {
	found := map[string]string{
		"/api/v2/models":              `{"models":[{"id":"aaaa","name":"other"},{"id":"3azn-tmqe","name":"wine"}]}`,
		"/api/v2/models/3azn-tmqe":    `{"id":"3azn-tmqe","name":"wine","model_versions":[{"version":1},{"version":10},{"version":2}]}`,
		"/api/v1alpha1/listEndpoints": `{"endpoints":[{"name":"old"},{"name":"new"}]}`,
		"/api/v1alpha1/describeEndpoint": `{"revisions":[{"source":{"registry_source":{"model_id":"3azn-tmqe","version":` +
			map[bool]string{true: "10", false: "1"}[strings.Contains(string(body), `"name":"new"`)] + `}}}]}`,
	}[r.URL.Path]
	if found == "" {
		modelserver.Status(404, `{}`)(w, r, body)
		return
	}
	modelserver.JSON(found)(w, r, body)
}

func TestRegistries(t *testing.T) {
	f := func(kind string, step modelserver.Step, r provider.Registered, want provider.Version, fault string) {
		t.Helper()
		m := modelserver.New(t, step)
		registry := provider.ModelRegistry{Kind: kind, URL: strings.TrimSuffix(m.URL(), "/v1"), Credential: &secret{now: "key"}}
		got, err := registry.Resolve(t.Context(), r)
		switch {
		case fault == "" && (err != nil || got != want):
			t.Errorf("%s %+v: %+v, %v; want %+v", kind, r, got, err, want)
		case fault != "" && (err == nil || !strings.Contains(err.Error(), fault) || strings.Contains(err.Error(), "SECRET")):
			t.Errorf("%s %+v: %v, want %s", kind, r, err, fault)
		}
		if rs := m.Requests(); len(rs) > 0 && rs[0].Header.Get("Authorization") != "Bearer key" {
			t.Errorf("asked without the credential")
		}
	}
	f("mlflow", mlflow, provider.Registered{Model: "churn", Alias: "champion"}, provider.Version{ID: "churn", Version: "3"}, "")
	f("mlflow", mlflow, provider.Registered{Model: "churn", Version: "2"}, provider.Version{ID: "churn", Version: "2"}, "")
	f("mlflow", mlflow, provider.Registered{Model: "churn"}, provider.Version{ID: "churn", Version: "4"}, "")
	f("mlflow", mlflow, provider.Registered{Model: "none"}, provider.Version{}, "no such version of model none")
	f("mlflow", mlflow, provider.Registered{Model: "churn", Version: "9"}, provider.Version{}, "cannot be asked for model churn")
	f("mlflow", modelserver.Status(200, "<html>", "Content-Type", "text/html"), provider.Registered{Model: "churn"}, provider.Version{}, "not JSON")
	f("cloudera", clouderaRegistry, provider.Registered{Model: "wine"}, provider.Version{ID: "3azn-tmqe", Version: "10"}, "")
	f("cloudera", clouderaRegistry, provider.Registered{Model: "wine", Version: "2"}, provider.Version{ID: "3azn-tmqe", Version: "2"}, "")
	f("cloudera", clouderaRegistry, provider.Registered{Model: "wine", Version: "3"}, provider.Version{}, "no such version")
	f("cloudera", clouderaRegistry, provider.Registered{Model: "beer"}, provider.Version{}, "no model beer")
	f("cloudera", clouderaRegistry, provider.Registered{Model: "wine", Alias: "best"}, provider.Version{}, "no aliases")
}

// The endpoint that serves a version is found by its description.
func TestServedBy(t *testing.T) {
	m := modelserver.New(t, clouderaRegistry)
	o := provider.Options{URL: strings.TrimSuffix(m.URL(), "/v1")}
	f := func(version, want string) {
		t.Helper()
		got, err := provider.ServedBy(t.Context(), o, "serving-default", provider.Version{ID: "3azn-tmqe", Version: version})
		if got != want || (err == nil) != (want != "") {
			t.Errorf("version %s: %q, %v", version, got, err)
		}
	}
	f("10", "new")
	f("1", "old")
	f("2", "")
	root, namespace, err := provider.ClouderaService(o.URL + "/namespaces/serving-default/endpoints/" + url.PathEscape("{endpoint}"))
	if err != nil || root != o.URL || namespace != "serving-default" {
		t.Errorf("%s %s %v", root, namespace, err)
	}
}
