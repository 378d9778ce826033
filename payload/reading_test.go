package payload_test

import (
	"encoding/json"
	"testing"

	. "github.com/moor-ble/moor/payload"
)

// TestReadingJSON wants value and unit as two keys, and the type of each value.
func TestReadingJSON(t *testing.T) {
	for _, c := range []struct {
		r    Reading
		text string
		json string
	}{
		{Reading{Kind: Temperature, Value: 25.06, Unit: "°C"}, "25.06 °C", `{"kind":"temperature","value":25.06,"unit":"°C"}`},
		{Reading{Kind: Temperature, Index: 2, Value: -7.7, Unit: "°C"}, "temperature 2 -7.7 °C", `{"kind":"temperature","index":2,"value":-7.7,"unit":"°C"}`},
		{Reading{Kind: Count, Value: 96}, "count 96", `{"kind":"count","value":96,"unit":""}`},
		{Reading{Kind: DoorOpen, Value: 1}, "door open: yes", `{"kind":"door_open","value":true,"unit":""}`},
		{Reading{Kind: DoorOpen}, "door open: no", `{"kind":"door_open","value":false,"unit":""}`},
		{Reading{Kind: Button, Index: 1, Text: "press"}, "button 1: press", `{"kind":"button","index":1,"value":"press","unit":""}`},
		{Reading{Kind: Text, Text: "a\x1b[2J"}, `text: "a\x1b[2J"`, `{"kind":"text","value":"a\u001b[2J","unit":""}`},
		{Reading{Kind: Text, Text: "\xff"}, `text: "\xff"`, "{\"kind\":\"text\",\"value\":\"\uFFFD\",\"unit\":\"\"}"},
	} {
		if got := c.r.String(); got != c.text {
			t.Errorf("%+v prints as %s, want %s", c.r, got, c.text)
		}
		if b, err := json.Marshal(c.r); err != nil || string(b) != c.json {
			t.Errorf("JSON %s, %v, want %s", b, err, c.json)
		}
	}
}

func TestFrameJSON(t *testing.T) {
	v := vector{data: "12161a18f4830238c1a4a9066911b60b58f70d"}
	device, data, _ := v.adv(t)
	frames := Decode(device, data, nil, nil)
	const want = `[{"format":"pvvx","device":"A4:C1:38:02:83:F4","counter":247,"readings":[` +
		`{"kind":"temperature","value":17.05,"unit":"°C"},{"kind":"humidity","value":44.57,"unit":"%"},` +
		`{"kind":"battery","value":88,"unit":"%"},{"kind":"voltage","value":2.998,"unit":"V"},` +
		`{"kind":"open","value":true,"unit":""},{"kind":"output","value":false,"unit":""}]}]`
	if b, err := json.Marshal(frames); err != nil || string(b) != want {
		t.Errorf("JSON %s, %v", b, err)
	}
	if r, ok := frames[0].Find(Humidity); !ok || r.Value != 44.57 {
		t.Errorf("humidity %+v, %v", r, ok)
	}
	if r, ok := frames[0].Find(Pressure); ok {
		t.Errorf("pressure %+v", r)
	}
}
