package wire

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ActionRequest is a request for an action that one manager carries out by itself: the store and the instance that its
// path names, its query parameters and its body. A manager answers with the digest of the request that it understood.
type ActionRequest struct {
	// Action is one of the Action constants but RepairAction.
	Action   string `json:"action"`
	Store    string `json:"store"`
	Instance string `json:"instance,omitempty"`
	// BaseRevision is the revision that the removal of an instance builds on; 0 accepts any.
	BaseRevision uint64 `json:"baseRevision,omitempty"`
	// LoseData and Founding are parameters of the removal of an instance, Force of RemoveStore and StopInstance.
	LoseData bool `json:"loseData,omitempty"`
	Founding bool `json:"founding,omitempty"`
	Force    bool `json:"force,omitempty"`
	// Rolling and Without are parameters of RestartInstance. Without lists names.
	Rolling bool     `json:"rolling,omitempty"`
	Without []string `json:"without,omitempty"`
	// Create is the body of CreateStore, Change that of AddInstance.
	Create *CreateStore     `json:"create,omitempty"`
	Change *ChangeInstances `json:"change,omitempty"`
}

// Digest returns the SHA-256, in hexadecimal, of the canonical form of the request: its JSON with the keys in the order
// of the fields, without white space and without empty optional fields.
func (r *ActionRequest) Digest() string { return digestOf(r) }

// Route returns the HTTP method of the request and its path, with the query.
func (r *ActionRequest) Route() (method, path string) {
	query := url.Values{}
	if r.BaseRevision != 0 {
		query.Set("baseRevision", strconv.FormatUint(r.BaseRevision, 10))
	}
	for name, set := range map[string]bool{"loseData": r.LoseData, "founding": r.Founding, "force": r.Force, "rolling": r.Rolling} {
		if set {
			query.Set(name, "true")
		}
	}
	if len(r.Without) > 0 {
		query.Set("without", strings.Join(r.Without, ","))
	}
	method = http.MethodPost
	switch r.Action {
	case CreateAction:
		path = StoresPath()
	case AddInstanceAction:
		path = InstancesPath(r.Store)
	case RemoveInstanceAction:
		method, path = http.MethodDelete, InstancePath(r.Store, r.Instance)
	case RemoveStoreAction:
		method, path = http.MethodDelete, StorePath(r.Store)
	case StartInstanceAction:
		path = InstancePath(r.Store, r.Instance) + "/start"
	case StopInstanceAction:
		path = InstancePath(r.Store, r.Instance) + "/stop"
	case RestartInstanceAction:
		path = InstancePath(r.Store, r.Instance) + "/restart"
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return method, path
}

// Body returns the JSON of the request's body, or nil if it has none.
func (r *ActionRequest) Body() []byte {
	var body []byte
	switch { // strings, numbers and lists of them: encoding can't fail
	case r.Create != nil:
		body, _ = json.Marshal(r.Create)
	case r.Change != nil:
		body, _ = json.Marshal(r.Change)
	}
	return body
}
