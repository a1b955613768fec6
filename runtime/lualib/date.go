package lualib

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime/luanum"
)

// dateLayouts maps conversions of os.date to layouts of Go, in the C locale.
var dateLayouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06",
	'e': "_2", 'F': "2006-01-02", 'h': "Jan", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04", 'n': "\n", 'p': "PM",
	'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 't': "\t", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06",
	'Y': "2006", 'z': "-0700", 'Z': "MST", '%': "%",
}

// osLibrary has the functions of the global os that a script may call.
type osLibrary struct{ *Env }

// openOS sets the global os. gopher-lua's own functions lack conversions and mistake missing fields.
func openOS(L *lua.LState, e *Env) {
	t, lib := restricted(L, e, "os", "clock"), osLibrary{e}
	for name, fn := range map[string]lua.LGFunction{"date": lib.date, "difftime": difftime, "time": lib.time} {
		t.RawSetString(name, L.NewFunction(fn))
	}
	L.G.Global.RawSetString("os", t)
}

// date formats a time, by default now. The format *t returns a table of fields; a leading ! means UTC.
func (lib osLibrary) date(L *lua.LState) int {
	format, t := "%c", time.Now()
	if L.Get(1) != lua.LNil {
		format = lib.textArgument(L, 1)
	}
	if L.Get(2) != lua.LNil {
		t = time.Unix(int64(WholeArgument(L, 2, 0)), 0)
	}
	if rest, utc := strings.CutPrefix(format, "!"); utc {
		format, t = rest, t.UTC()
	}
	if strings.HasPrefix(format, "*t") {
		fields := L.CreateTable(0, 9)
		for name, n := range map[string]int{
			"year": t.Year(), "month": int(t.Month()), "day": t.Day(), "hour": t.Hour(), "min": t.Minute(), "sec": t.Second(),
			"wday": int(t.Weekday()) + 1, "yday": t.YearDay(),
		} {
			fields.RawSetString(name, lua.LNumber(n))
		}
		fields.RawSetString("isdst", lua.LBool(t.IsDST()))
		L.Push(fields)
		return 1
	}
	var out strings.Builder
	for i, n := 0, 1; i < len(format); i, n = i+1, n+1 {
		checkStop(L, n)
		if format[i] != '%' {
			out.WriteByte(format[i])
			continue
		}
		i++
		text, ok := "", false
		if i < len(format) {
			text, ok = dateField(t, format[i])
		}
		if !ok {
			lib.Raise(L, "os.date: %s is not a conversion: %%%% is the character %%", format[i-1:min(i+1, len(format))])
		}
		out.WriteString(text)
		lib.limitString(L, "os.date", out.Len())
	}
	L.Push(lua.LString(out.String()))
	return 1
}

// dateField returns the text of a conversion for t.
func dateField(t time.Time, conversion byte) (text string, ok bool) {
	if layout, ok := dateLayouts[conversion]; ok {
		return t.Format(layout), true
	}
	week := func(first time.Weekday) string { // week of the year; the first week begins with the first such day
		return fmt.Sprintf("%02d", (t.YearDay()+6-(int(t.Weekday())-int(first)+7)%7)/7)
	}
	isoYear, isoWeek := t.ISOWeek()
	switch conversion {
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100), true
	case 'g':
		return fmt.Sprintf("%02d", isoYear%100), true
	case 'G':
		return strconv.Itoa(isoYear), true
	case 's':
		return strconv.FormatInt(t.Unix(), 10), true
	case 'u':
		return strconv.Itoa((int(t.Weekday())+6)%7 + 1), true
	case 'U':
		return week(time.Sunday), true
	case 'V':
		return fmt.Sprintf("%02d", isoWeek), true
	case 'w':
		return strconv.Itoa(int(t.Weekday())), true
	case 'W':
		return week(time.Monday), true
	}
	return "", false
}

// time returns the seconds since 1970, for now or for a date in local time. Fields may be out of range.
func (lib osLibrary) time(L *lua.LState) int {
	if L.Get(1) == lua.LNil {
		L.Push(lua.LNumber(time.Now().Unix()))
		return 1
	}
	fields := L.CheckTable(1)
	field := func(name string, fallback int) int {
		v := fields.RawGetString(name)
		n, ok := numeric(v)
		whole, isWhole := luanum.ToGo(n).(int)
		switch {
		case v == lua.LNil && fallback >= 0:
			return fallback
		case !ok || !isWhole || max(whole, -whole) > 1<<31:
			lib.Raise(L, "os.time: field %s: got %s, want an integer", name, lib.Show(v))
		}
		return whole
	}
	t := time.Date(field("year", -1), time.Month(field("month", -1)), field("day", -1), field("hour", 12), field("min", 0), field("sec", 0), 0, time.Local)
	if dst, given := fields.RawGetString("isdst").(lua.LBool); given && t.IsDST() != bool(dst) {
		for _, other := range []time.Time{t.Add(-time.Hour), t.Add(time.Hour)} { // the hour that occurs twice in a night
			if other.IsDST() == bool(dst) && other.Hour() == t.Hour() {
				t = other
			}
		}
	}
	L.Push(lua.LNumber(t.Unix()))
	return 1
}

// difftime returns the seconds from the second time to the first.
func difftime(L *lua.LState) int {
	L.Push(lua.LNumber(numberArgument(L, 1)) - L.OptNumber(2, 0))
	return 1
}
