package wire

import "fmt"

// Result is the answer to an action, and the body of every error.
type Result struct {
	// Action is the action, with the instance if there is one: CreateStore, StartInstance:orders-1.
	Action     string `json:"operation"`
	Success    bool   `json:"success"`
	StatusCode int    `json:"statusCode"`
	// Code is one of the Code constants, which programs may rely on.
	Code string `json:"code"`
	// Message tells a person the problem and the remedy.
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Epoch is the highest epoch that the manager has seen; set with stale_epoch.
	Epoch uint64 `json:"epoch,omitempty"`
	// Store and Digest are the store of the request, and the digest of the ActionRequest that the manager understood. A
	// success without those of the request is believed by no runner: it answers another request, or this one as
	// something on its way has changed it.
	Store  string `json:"store,omitempty"`
	Digest string `json:"digest,omitempty"`
	// OperationID and Manager are the operation that a refusal is about, and the identity of the manager that refuses.
	// A refusal that decides something is believed only for those.
	OperationID string `json:"operationId,omitempty"`
	Manager     string `json:"manager,omitempty"`
}

// Codes of results. They never change their meaning.
const (
	CodeOK        = "ok"
	CodeUnchanged = "unchanged" // success: nothing had to change

	CodeBadRequest       = "bad_request"        // 400 not JSON, unknown field, wrong type, duplicate key
	CodeBadName          = "bad_name"           // 400
	CodeBadTopology      = "bad_topology"       // 400
	CodeBodyTooLarge     = "body_too_large"     // 413
	CodeNotFound         = "not_found"          // 404 unknown route
	CodeMethodNotAllowed = "method_not_allowed" // 405
	CodeTooBusy          = "too_busy"           // 503 too many large requests at once
	CodeTLSRequired      = "tls_required"       // 400 plain HTTP to a secured manager
	CodeNotAuthenticated = "not_authenticated"  // 401 no certificate or token, or one that is not accepted
	CodeNotAllowed       = "not_allowed"        // 403 the caller's role does not include it

	CodeStoreExists           = "store_exists"        // 409 with another topology
	CodeStoreNotFound         = "store_not_found"     // 404
	CodeStoreBusy             = "store_busy"          // 409 another change is in progress
	CodeStoreRunning          = "store_running"       // 409 stop it first
	CodeStoreNotReady         = "store_not_ready"     // 409 needs the store's quorum
	CodeStoreStarted          = "store_started"       // 409 founders can't be chosen anew: the store has run
	CodeInstanceNotFound      = "instance_not_found"  // 404
	CodeNotThisHost           = "not_this_host"       // 409 another server's instance
	CodeStaleRevision         = "stale_revision"      // 409
	CodePortTaken             = "port_taken"          // 409
	CodeLastInstance          = "last_instance"       // 409 it can only be removed with the store
	CodeQuorumLoss            = "quorum_loss"         // 409 the store would stop or lose data
	CodeDataLost              = "data_lost"           // 409 the folder is gone and no other instance has the data
	CodeUnknownFolder         = "unknown_folder"      // 409 the folder holds another store's data, which the catalog doesn't know
	CodeStartFailed           = "start_failed"        // 500 the process ended at once
	CodeStopFailed            = "stop_failed"         // 500
	CodeWrongManager          = "wrong_manager"       // 421 the request is for another manager
	CodeWrongCoordinator      = "wrong_home"          // 409 another manager is the store's coordinator
	CodeMissingManager        = "missing_manager"     // 409 a manager that keeps the store is left out
	CodeStaleEpoch            = "stale_epoch"         // 409 a later operation has been seen
	CodeOperationAborted      = "operation_aborted"   // 410 it was rolled back or timed out
	CodeOperationNotFound     = "operation_not_found" // 404
	CodeOperationDiffers      = "operation_differs"   // 422 the same id with another content
	CodeFenced                = "fenced"              // 409 a manager was declared lost
	CodeReplacementUnfinished = "repair_unfinished"   // 409 a repair has begun and not ended
	CodeCoordinatorSilent     = "home_silent"         // 409 the coordinator does not answer
	CodeCoordinatorAlive      = "home_alive"          // 409 the coordinator to be declared lost answered recently
	CodeSuspect               = "suspect"             // 503 the catalog may lack its last write
	CodeReadOnly              = "read_only"           // 503 the catalog can't be written
	CodeCatalogFull           = "catalog_full"        // 409 no room for another store or operation
	CodeNotCalledFor          = "not_called_for"      // 409 nobody who may asks for this change of members
	CodeInternal              = "internal"            // 500
	CodeNotSecured            = "not_secured"         // 409 the manager has no certificate of a cluster
	CodeTokenRefused          = "token_refused"       // 403 a join token that is unknown, expired or used
	CodeLineRefused           = "line_refused"        // 409 a line that the access log doesn't take
	CodeNoAuthority           = "no_authority"        // 409 only the server of the cluster's authority can do this
)

// Error returns the message, with the hint in parentheses if there is one.
func (r *Result) Error() string {
	if r.Hint == "" {
		return r.Message
	}
	return fmt.Sprintf("%s (%s)", r.Message, r.Hint)
}
