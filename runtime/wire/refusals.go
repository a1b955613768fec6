package wire

import (
	"fmt"
	"net/http"
	"strings"
)

// RefusalCodes lists all codes of failed results.
var RefusalCodes = []string{
	CodeBadRequest, CodeBadName, CodeBadTopology, CodeBodyTooLarge, CodeNotFound, CodeMethodNotAllowed, CodeTooBusy,
	CodeStoreExists, CodeStoreNotFound, CodeStoreBusy, CodeStoreRunning, CodeStoreNotReady, CodeStoreStarted,
	CodeInstanceNotFound, CodeNotThisHost, CodeStaleRevision, CodePortTaken, CodeLastInstance, CodeQuorumLoss,
	CodeDataLost, CodeUnknownFolder, CodeStartFailed, CodeStopFailed, CodeWrongManager, CodeWrongCoordinator,
	CodeMissingManager, CodeStaleEpoch, CodeOperationAborted, CodeOperationNotFound, CodeOperationDiffers,
	CodeFenced, CodeReplacementUnfinished, CodeCoordinatorSilent, CodeCoordinatorAlive, CodeSuspect, CodeReadOnly,
	CodeInternal, CodeCatalogFull, CodeNotCalledFor, CodeNotSecured, CodeTokenRefused, CodeLineRefused, CodeNoAuthority,
	CodeTLSRequired, CodeNotAuthenticated, CodeNotAllowed,
}

// UnknownField ends the message of a CodeBadRequest about a field that the manager's version does not know: it refuses
// a request that it would understand in part only.
const UnknownField = "is not a field here"

// OlderManager is the hint for a manager that does not know what dkvrun sends, a field or a path.
const OlderManager = "dkvrun is newer than this manager: upgrade dkvmanager there; its instances go on meanwhile"

// refusalStatuses lists the HTTP statuses of refusals.
var refusalStatuses = []int{400, 401, 403, 404, 405, 409, 410, 413, 421, 422, 500, 503}

// statusOf returns the HTTP status of a code. A refusal that is about the state of a store or of an operation, and
// not about the request, is a conflict.
func statusOf(code string) int {
	switch code {
	case CodeOK, CodeUnchanged:
		return http.StatusOK
	case CodeBadRequest, CodeBadName, CodeBadTopology, CodeTLSRequired:
		return http.StatusBadRequest
	case CodeNotAuthenticated:
		return http.StatusUnauthorized
	case CodeNotAllowed:
		return http.StatusForbidden
	case CodeNotFound, CodeStoreNotFound, CodeInstanceNotFound, CodeOperationNotFound:
		return http.StatusNotFound
	case CodeTokenRefused:
		return http.StatusForbidden
	case CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case CodeOperationAborted:
		return http.StatusGone
	case CodeBodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeWrongManager:
		return http.StatusMisdirectedRequest
	case CodeOperationDiffers:
		return http.StatusUnprocessableEntity
	case CodeInternal, CodeStartFailed, CodeStopFailed:
		return http.StatusInternalServerError
	case CodeTooBusy, CodeSuspect, CodeReadOnly:
		return http.StatusServiceUnavailable
	}
	return http.StatusConflict
}

// Refuse returns a failed result with the status of its code. The format is one of fmt.Errorf.
func Refuse(code, format string, args ...any) *Result {
	return &Result{StatusCode: statusOf(code), Code: code, Message: fmt.Errorf(format, args...).Error()}
}

// Refusal is an entry of the table of refusals. Message is a format; Hint is another one of the same arguments, which
// it names by their place, as in %[1]q.
type Refusal struct{ Code, Message, Hint string }

// With returns the refusal with its arguments filled in.
func (r Refusal) With(args ...any) *Result {
	result := Refuse(r.Code, r.Message, args...)
	result.Hint = r.Hint
	if strings.Contains(r.Hint, "%") {
		result.Hint = fmt.Sprintf(r.Hint, args...)
	}
	return result
}

// The table of refusals. Managers and fake managers take their refusals from here, so that a fake refuses with the
// code, the status and the words of a manager. Refusals of a request that can't be read are created by Refuse where the
// request is read.
var (
	// RefuseWrongManager: the request names another manager, which may have had this address before.
	// Argument: this manager's identity.
	RefuseWrongManager = Refusal{CodeWrongManager, "this manager is %s, the request is for another one: connect again", ""}

	// RefuseNotSecured: the request is about a cluster's members, and the manager has no certificate of a cluster.
	RefuseNotSecured = Refusal{CodeNotSecured, "this manager is not secured: it is a member of no cluster",
		"dkvmanager init makes a cluster, dkvmanager join lets a manager join one"}
	// RefuseTLSRequired: a client speaks plain HTTP to a secured manager. Argument: the manager's cluster.
	RefuseTLSRequired = Refusal{CodeTLSRequired, "this manager is secured: it speaks TLS only, as all managers of cluster %s",
		"write https:// in its address, and use a credential of cluster %[1]s"}
	// RefuseNotAuthenticated: a request to a secured manager has no certificate or token that it accepts.
	// Arguments: the manager's cluster, why.
	RefuseNotAuthenticated = Refusal{CodeNotAuthenticated,
		"the request needs a valid certificate of cluster %s, or a bearer token: %v", ""}
	// RefuseTokenInPlain: a bearer token came over a connection without TLS. Argument: what became of it.
	RefuseTokenInPlain = Refusal{CodeNotAuthenticated,
		"a bearer token came without TLS, where everybody on the network can read it: %s",
		"write https:// in the manager's address; dkvmanager credential --token makes another token"}
	// RefuseNotAllowed: the caller has no role that includes what the request does. Argument: the error, which names
	// the caller, the role that it has, and the one that is missing.
	RefuseNotAllowed = Refusal{CodeNotAllowed, "%v", ""}

	// RefuseSecureStore: the cluster ports of a store are to speak TLS, and the manager is not secured. Argument: store.
	RefuseSecureStore = Refusal{CodeNotSecured, "%s is to have TLS on its cluster ports, and this manager is not secured",
		"dkvmanager join ADDRESS TOKEN --tls=prefer … on this server makes it a member of the cluster of the others"}
	// RefuseNotAllJoined: the cluster ports of a store are to speak TLS, and an instance of it has not been part of the
	// running store yet. Arguments: instance, store.
	RefuseNotAllJoined = Refusal{CodeStoreNotReady, "%s has not been part of the running store %s yet",
		"start the store and wait until all its instances are ready; then run this again"}
	// RefusePlainStore: an operation would take TLS from the cluster ports of a store. Argument: store.
	RefusePlainStore = Refusal{CodeBadRequest, "%s has TLS on its cluster ports, which the operation leaves out",
		"upgrade dkvrun: it is older than this manager"}

	// RefuseStoreBusy: another operation of the store is prepared here.
	// Arguments: store, owner, since when, action, operation.
	RefuseStoreBusy = Refusal{CodeStoreBusy, "%s is being changed by %s since %s (%s, operation %s)",
		"try again when it is done; repair_store(%[1]q) resolves what a dead runner left behind"}
	// RefuseLocked: another request to this manager changes the store, or the instance. Argument: its name.
	RefuseLocked = Refusal{CodeStoreBusy, "another request is changing %s: try again when it is done", ""}
	// RefuseStillLeaving: an instance of this name was removed and is not gone yet. Arguments: instance, store.
	RefuseStillLeaving = Refusal{CodeStoreBusy, "%s is still leaving %s: try again when it is gone, or take another name", ""}

	// RefuseStoreNotFound: the store is not here. Argument: its name.
	RefuseStoreNotFound = Refusal{CodeStoreNotFound, "there is no store %s here: check the name, or create it", ""}
	// RefuseNothingToRemove: an operation removes a store that is not here. Argument: its name.
	RefuseNothingToRemove = Refusal{CodeStoreNotFound, "there is no store %s here", ""}
	// RefuseInstanceNotFound: the topology has no such instance. Arguments: store, instance.
	RefuseInstanceNotFound = Refusal{CodeInstanceNotFound, "%s has no instance %s: check the name", ""}
	// RefuseNotThisHost: another server runs the instance. Arguments: instance, its host, this host.
	RefuseNotThisHost = Refusal{CodeNotThisHost, "%s is on %s, not on this server (%s): ask the manager there", ""}

	// RefuseStoreRemoved: the store was removed while the request was handled. Argument: its name.
	RefuseStoreRemoved = Refusal{CodeStoreNotFound, "store %s has just been removed", ""}
	// RefuseInstanceLeaving: the instance is no longer in the topology, and has not left the running store yet.
	// Arguments: instance, store.
	RefuseInstanceLeaving = Refusal{CodeInstanceNotFound, "%s is being removed from store %s: it stops by itself", ""}
	// RefuseInstanceElsewhere is RefuseNotThisHost where this server's name is not known. Arguments: instance, its
	// host.
	RefuseInstanceElsewhere = Refusal{CodeNotThisHost, "%s is on %s: ask the manager there", ""}

	// RefuseStartUnfinished: the process is not up within the time of the request. Argument: instance.
	RefuseStartUnfinished = Refusal{CodeStartFailed,
		"%s is not up yet: the manager goes on starting it; see the instance's log", ""}
	// RefuseStartStopped: another request stopped the instance before its process was up. Argument: instance.
	RefuseStartStopped = Refusal{CodeStartFailed, "%s was stopped while it started", ""}
	// RefuseStartFails: the process ended before it was up. Arguments: instance, why.
	RefuseStartFails = Refusal{CodeStartFailed,
		"%s can't start: %s; the manager keeps trying until the instance is stopped", ""}
	// RefuseStillStopping: the process of an earlier stop has not ended. Argument: instance.
	RefuseStillStopping = Refusal{CodeStartFailed, "%s is still stopping: start it again", ""}
	// RefuseStopUnfinished: the process has not ended within the time of the request. Arguments: instance, pid.
	RefuseStopUnfinished = Refusal{CodeStopFailed, "%s (pid %d) has not ended yet: the manager goes on stopping it", ""}
	// RefuseKillFailed: the process lives on after SIGKILL. Arguments: instance, pid.
	RefuseKillFailed = Refusal{CodeStopFailed, "%s (pid %d) did not end", ""}
	// RefuseRestartStopped: an instance that is not to run is restarted. Argument: instance.
	RefuseRestartStopped = Refusal{CodeStoreNotReady, "%s is stopped: start it instead", ""}
	// RefuseRestartUnfinished: the process has not ended within the time of the request. Arguments: instance, pid.
	RefuseRestartUnfinished = Refusal{CodeStopFailed, "%s (pid %d) has not ended yet: the manager completes the restart", ""}
	// RefuseOtherNotReady: a rolling restart would take down an instance while another one is down.
	// Arguments: instance, the other one, why that one is not ready.
	RefuseOtherNotReady = Refusal{CodeStoreNotReady, "%[1]s is not restarted while %[2]s is down (%.200[3]s)", ""}
	// RefuseNoMajority: a rolling restart would take the store's majority.
	// Arguments: instance, data instances that would be ready, all of them, store, how many are needed.
	RefuseNoMajority = Refusal{CodeQuorumLoss,
		"without %s only %d of %d data instances of %s would be ready, and writes need %d: it is not restarted", ""}
	// RefuseOtherRevision: another manager has another topology of the store. Arguments: store, that manager.
	RefuseOtherRevision = Refusal{CodeStoreBusy, "%s is being changed: the manager on %s has another topology of it",
		"try again when it is done; store_status(%[1]q).differences compares them"}
	// RefuseDeletionUnfinished: the folder of a removed instance is still there. Argument: instance.
	RefuseDeletionUnfinished = Refusal{CodeStopFailed, "the folder of %s is not deleted yet: the manager keeps trying", ""}

	// RefuseDataLost: the store's only data instance would start with an empty folder. Arguments: instance, folder.
	RefuseDataLost = Refusal{CodeDataLost,
		"the data of %s is gone: there is no %s, and no other instance of the store holds data",
		"bring the folder back from a backup, or remove the store and create it anew"}
	// RefuseUnknownFolder: the folder holds data that the catalog doesn't know. Arguments: folder, store.
	RefuseUnknownFolder = Refusal{CodeUnknownFolder,
		"%s holds data of another store named %s, and the catalog doesn't say that it was removed: it is kept",
		"move the folder elsewhere, or delete it if its data is not needed"}
	// RefuseUnknownFolderInUse is RefuseUnknownFolder for a folder in which a process runs. Arguments: folder, store,
	// pid.
	RefuseUnknownFolderInUse = Refusal{CodeUnknownFolder, RefuseUnknownFolder.Message + "; process %d runs in it",
		"end process %[3]d, then move the folder elsewhere, or delete it if its data is not needed"}
	// RefuseLogUnreadable: the instance's log can't be read. Arguments: instance, why.
	RefuseLogUnreadable = Refusal{CodeInternal, "the log of %s can't be read: %v", ""}

	// RefuseNameTaken: a store has this name in other upper and lower case. Argument: its name.
	RefuseNameTaken = Refusal{CodeStoreExists, "store %s exists already: names that differ only in case can't both exist", ""}
	// RefuseOtherTopology: the store to be created exists. Arguments: its name, how the two differ.
	RefuseOtherTopology = Refusal{CodeStoreExists, "store %s exists already with another topology: %s",
		"store_status(%[1]q).topology is its topology: describe the store so, or take another name"}
	// refuseSameTopology: the store to be created exists with these instances. The request was planned while it did not,
	// or while other managers had another one. Argument: its name.
	refuseSameTopology = Refusal{CodeStoreExists, "store %s exists already, with these instances",
		"read the store again, then repeat; repair_store(%[1]q) helps when its managers differ"}
	// RefuseOtherStore: the store of this name was created by another operation. Arguments: its name, that operation.
	RefuseOtherStore = Refusal{CodeStoreExists, "store %s is another one here, created by operation %s: remove it, or take another name", ""}

	// RefuseStaleRevision: the operation builds on another configuration (I6).
	// Arguments: store, revision and operation here, revision and operation of the base.
	RefuseStaleRevision = Refusal{CodeStaleRevision,
		"%s is at revision %d (operation %s), the change builds on %d (%s): read the store again, then repeat", ""}
	// RefuseNoBase: the coordinator does not have the store that the operation builds on (I6).
	// Arguments: store, revision of the base.
	RefuseNoBase = Refusal{CodeStaleRevision,
		"there is no store %s here, at its coordinator; the change builds on revision %d: read the store again", ""}

	// RefuseStoreRunning: a store is removed whose instances run. Arguments: which of them run, store.
	RefuseStoreRunning = Refusal{CodeStoreRunning, "%s: stop %s first", ""}
	// RefuseStoreStarted: founders are chosen anew for a store of which an instance was started. Argument: instance.
	RefuseStoreStarted = Refusal{CodeStoreStarted, "%s has been started: its founders stay as they are; repeat without founding", ""}
	// RefusePortTaken: a node's port can't be used on this server. Arguments: address, why, which ports are free.
	RefusePortTaken = Refusal{CodePortTaken, "%[1]s %[2]s", "%[3]s"}
	// RefusePortReserved: a prepared operation of another store has the port.
	// Arguments: host, port, instance, store, operation.
	RefusePortReserved = Refusal{CodePortTaken, "%s:%d is reserved for instance %s of store %s, operation %s", ""}

	// RefuseWrongCoordinator: the operation names a manager that does not decide about the store.
	// Arguments: store, coordinator, the manager that the operation names.
	RefuseWrongCoordinator = Refusal{CodeWrongCoordinator,
		"manager %[2]s coordinates changes of %[1]s, not %[3]s: read the store again, then repeat", ""}
	// RefuseRenewElsewhere: only the coordinator keeps the lease. Arguments: operation, coordinator.
	RefuseRenewElsewhere = Refusal{CodeWrongCoordinator, "manager %[2]s coordinates operation %[1]s: renew it there", ""}
	// RefuseMissingManager: the operation leaves out a manager that has the store. Arguments: its URL, store.
	RefuseMissingManager = Refusal{CodeMissingManager, "manager %s keeps %s too: connect to it as well", ""}

	// RefuseOperationNotFound: no record of the operation. Argument: operation.
	RefuseOperationNotFound = Refusal{CodeOperationNotFound, "operation %s is not known here", ""}
	// RefuseOperationAborted: the decision is abort, and final (I1). Argument: operation.
	RefuseOperationAborted = Refusal{CodeOperationAborted,
		"operation %s was rolled back or timed out; nothing of it remains; run it again", ""}
	// RefuseOperationDiffers: the id is known with another digest (I7). Argument: operation.
	RefuseOperationDiffers = Refusal{CodeOperationDiffers, "operation %s is known with another content: use a new id", ""}

	// RefuseStaleEpoch: the manager has seen the operation's epoch or a higher one.
	// Arguments: manager, the epoch that it has seen, store, the operation's epoch.
	RefuseStaleEpoch = Refusal{CodeStaleEpoch,
		"manager %s has seen epoch %d of %s, the operation has %d: prepare it again on all managers with a higher epoch", ""}
	// RefuseSupersededEpoch: the operation was prepared again at a higher epoch.
	// Arguments: operation, epoch of its prepared record, epoch of the request.
	RefuseSupersededEpoch = Refusal{CodeStaleEpoch, "operation %s was prepared again at epoch %d: epoch %d is over", ""}

	// RefuseSuspect: the manager may have forgotten a vote. Arguments: manager, store.
	RefuseSuspect = Refusal{CodeSuspect,
		"manager %s had to fall back to an older generation of its catalog, and may have forgotten a vote about %s",
		"it asks the other managers of the store and heals when all answer; repair_store shows what it waits for"}
	// RefuseNotHealed: a suspect coordinator can't carry out a decision. Arguments: store, the cause.
	RefuseNotHealed = Refusal{CodeSuspect, "the coordinator of %s can't decide yet: %s",
		"nothing was decided; start all managers of the store, then repeat the call"}

	// RefuseCatalogLost: both generations of the catalog are damaged. Argument: the errors.
	RefuseCatalogLost = Refusal{CodeReadOnly, "the manager is read-only: %s",
		"nothing was changed; stop the manager, run dkvmanager restore-catalog with a copy of catalog.json, start it again"}
	// RefuseCatalogNotWhole: the disk refused to make the catalog whole at the start. Arguments: its folder, the cause.
	RefuseCatalogNotWhole = Refusal{CodeReadOnly, "the manager is read-only: at its start the catalog in %s could not be written: %s",
		"nothing was changed; free disk space or repair the disk, then restart the manager"}
	// RefuseCatalogUnwritable: the disk refuses the catalog. Arguments: its folder, the cause.
	RefuseCatalogUnwritable = Refusal{CodeReadOnly, "the catalog in %s can't be written: %s",
		"nothing was changed; free disk space or repair the disk, then try again"}

	// RefuseAuditUnwritable: the disk has no room for the line of a change in the audit log. Arguments: its path, the
	// cause.
	RefuseAuditUnwritable = Refusal{CodeReadOnly, "the audit log %s can't be written: %v",
		"nothing was changed; free disk space or repair the disk, then try again"}

	// RefuseCatalogFull: the catalog has no room for something new.
	// Arguments: its stores, their maximum, its size, the maximum of that, both in KiB.
	RefuseCatalogFull = Refusal{CodeCatalogFull, "the catalog is full: it would have %d stores of at most %d, in %d of at most %d KiB",
		"nothing was changed; remove stores that are not needed"}

	// RefuseDeclaredLost: this manager was declared lost. Argument: store.
	RefuseDeclaredLost = Refusal{CodeFenced, "this manager was declared lost, and %s goes on without it",
		"give it a new data folder, then add it to the store again"}
	// RefuseLostCoordinator: the operation's coordinator was declared lost (I8). Arguments: coordinator, store.
	RefuseLostCoordinator = Refusal{CodeFenced, "manager %s was declared lost: it no longer coordinates changes of %s", ""}
	// RefuseLostCreator is RefuseLostCoordinator for an operation that creates the store: messages that the lost
	// manager sent may still arrive, so it can't coordinate the creation.
	RefuseLostCreator = Refusal{CodeFenced, RefuseLostCoordinator.Message,
		"create the store on the other servers, then add that one"}
	// RefuseReplacing: only the coordinator replacement decides now (I8). Arguments: coordinator, operation.
	RefuseReplacing = Refusal{CodeFenced,
		"manager %s, the coordinator of operation %s, was declared lost: repair_store decides now", ""}
	// RefuseLostBefore: this manager can't take part in a replacement, because it was declared lost. Argument: store.
	RefuseLostBefore = Refusal{CodeFenced, "this manager was itself declared lost for %s", ""}
	// RefuseLostSurvivor: a survivor of the replacement was declared lost before. Arguments: survivor, store.
	RefuseLostSurvivor = Refusal{CodeFenced, "manager %s was declared lost before: it can't help to repair %s", ""}
	// RefuseFencesFull: too many managers were declared lost for the name. Arguments: store, their number.
	RefuseFencesFull = Refusal{CodeFenced, "%[2]d managers were declared lost for %[1]s already: no more are recorded",
		"remove the store, and create it under another name"}
	// RefuseReplacementUnfinished: a coordinator replacement has begun and not ended. Arguments: store, lost manager.
	RefuseReplacementUnfinished = Refusal{CodeReplacementUnfinished,
		"a repair of %s without manager %s has begun and not ended", "call repair_store again with lost = %[2]q"}
	// RefuseNotCoordinator: only a coordinator has to be replaced. Arguments: store, coordinator, lost manager.
	RefuseNotCoordinator = Refusal{CodeWrongCoordinator,
		"manager %[2]s coordinates changes of %[1]s, not %[3]s, which need not be declared lost", ""}
	// RefuseCoordinatorAlive: the coordinator answered too recently. Arguments: it, how long ago, the silence needed.
	RefuseCoordinatorAlive = Refusal{CodeCoordinatorAlive,
		"manager %s answered %s ago, and may still decide: it can be declared lost after %s without an answer", ""}
	// RefuseCoordinatorSilent: the operation stays in doubt. Argument: the error.
	RefuseCoordinatorSilent = Refusal{CodeCoordinatorSilent, "the coordinator gives no decision: %v",
		"start it; when it is gone for good, repair_store with lost = its host"}

	// RefuseNotCalledFor: the members of a running store stay as they are. Arguments: step, instance, why.
	RefuseNotCalledFor = Refusal{CodeNotCalledFor, "step %s of %s is not called for: %s", ""}
	// RefuseNoVoterHere: this manager can't change the members of the running store. Argument: store.
	RefuseNoVoterHere = Refusal{CodeNotThisHost, "no data instance of %s that votes runs on this server: ask another manager", ""}
	// RefuseMembersNotReady: the running store, or the state of the instance, does not allow the change now; it can be
	// repeated. Argument: why.
	RefuseMembersNotReady = Refusal{CodeStoreNotReady, "%v", ""}
)
