package wire

import (
	"reflect"
	"testing"
)

// Every field that a request can have is part of its digest: a field that was not could be changed on its way.
func TestActionRequest_DigestCoversEveryField(t *testing.T) {
	full := ActionRequest{
		Action: CreateAction, Store: "S", Instance: "s-1", BaseRevision: 1, LoseData: true, Founding: true, Force: true,
		Rolling: true, Without: []string{"s-2"},
		Create: &CreateStore{
			Name: "S", Nodes: []Node{{"s-1", "h", 1, 2, Data, "h:1"}}, Operation: "o",
			Managers: []Manager{{"m", "http://h:1"}}, Coordinator: "m",
		},
		Change: &ChangeInstances{
			BaseRevision: 1, Nodes: []Node{{"s-1", "h", 1, 2, Data, "h:1"}}, Founding: true, Desired: DesiredRunning,
			Operation: "o", Epoch: 1, Managers: []Manager{{"m", "http://h:1"}}, Coordinator: "m", Founders: []Founder{{"s-1", "h", 1}},
		},
	}
	want, fields := full.Digest(), 0
	var change func(path string, v reflect.Value)
	change = func(path string, v reflect.Value) {
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		switch v.Kind() {
		case reflect.Pointer:
			change(path, v.Elem())
			return
		case reflect.Struct:
			for i := range v.NumField() {
				change(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
			return
		case reflect.Slice:
			change(path+"[0]", v.Index(0))
			v.Set(reflect.Append(v, v.Index(0)))
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int:
			v.SetInt(v.Int() + 1)
		case reflect.Uint64:
			v.SetUint(v.Uint() + 1)
		default:
			t.Fatalf("%s: the test has no change of a %s", path, v.Kind())
		}
		fields++
		if full.Digest() == want {
			t.Errorf("%s was changed, and the digest was not", path)
		}
		v.Set(was)
	}
	change("", reflect.ValueOf(&full))
	if full.Digest() != want {
		t.Error("the digest of the same request is another one")
	}
	if fields < 30 {
		t.Errorf("only %d fields were changed", fields)
	}
}

// The digest is part of the protocol: programs of other versions make the same one.
func TestActionRequest_CanonicalForm(t *testing.T) {
	stop := ActionRequest{Action: StopInstanceAction, Store: "S", Instance: "s-1", Force: true}
	if got, want := stop.Digest(), hexSum([]byte(`{"action":"StopInstance","store":"S","instance":"s-1","force":true}`)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestActionRequest_Route(t *testing.T) {
	for _, test := range []struct {
		asked ActionRequest
		want  string
	}{
		{ActionRequest{Action: CreateAction, Store: "S"}, "POST /admin/v1/stores"},
		{ActionRequest{Action: AddInstanceAction, Store: "S"}, "POST /admin/v1/stores/S/instances"},
		{ActionRequest{Action: RemoveStoreAction, Store: "S"}, "DELETE /admin/v1/stores/S"},
		{ActionRequest{Action: RemoveStoreAction, Store: "S", Force: true}, "DELETE /admin/v1/stores/S?force=true"},
		{ActionRequest{Action: RemoveInstanceAction, Store: "S", Instance: "s-1", BaseRevision: 7, LoseData: true, Founding: true},
			"DELETE /admin/v1/stores/S/instances/s-1?baseRevision=7&founding=true&loseData=true"},
		{ActionRequest{Action: StartInstanceAction, Store: "S", Instance: "s-1"}, "POST /admin/v1/stores/S/instances/s-1/start"},
		{ActionRequest{Action: RestartInstanceAction, Store: "S", Instance: "s-1", Rolling: true, Without: []string{"s-2", "s-3"}},
			"POST /admin/v1/stores/S/instances/s-1/restart?rolling=true&without=s-2%2Cs-3"},
		{ActionRequest{Action: StopInstanceAction, Store: "S", Instance: "s-1", Force: true},
			"POST /admin/v1/stores/S/instances/s-1/stop?force=true"},
	} {
		if method, path := test.asked.Route(); method+" "+path != test.want {
			t.Errorf("got %s %s, want %s", method, path, test.want)
		}
	}
}
