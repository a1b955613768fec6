package lualib_test

import (
	"testing"
	"time"
)

func TestLua_Dates(t *testing.T) {
	checkSnippets(t, []snippet{
		{`print(os.date("!%Y-%m-%d %H:%M:%S|%c|%x|%X|%D|%R|%T|%F|%r", 1e9))`,
			"2001-09-09 01:46:40|Sun Sep  9 01:46:40 2001|09/09/01|01:46:40|09/09/01|01:46|01:46:40|2001-09-09|01:46:40 AM\n"},
		{`print(os.date("!%a %A %b %B %h %d %e %j %U %W %V %G %g %u %w %y %C %I %p %s %z%%%n%t", 1e9))`,
			"Sun Sunday Sep September Sep 09  9 252 36 36 36 2001 01 7 0 01 20 01 AM 1000000000 +0000%\n\t\n"},
		{`print(os.date("!%U %W %V %G", 0), os.date("!%U %W %V %G", 1704067200), os.date("!%U %W %V %G", 1483228800))`,
			"00 00 01 1970\t00 01 01 2024\t01 00 52 2016\n"},
		{`local d = os.date("!*t", 1e9) print(d.year, d.month, d.day, d.hour, d.min, d.sec, d.wday, d.yday, d.isdst)`,
			"2001\t9\t9\t1\t46\t40\t1\t252\tfalse\n"},
		{`os.date("%Q")`, "error: test.lua:1: os.date: %Q is not a conversion: %% is the character %"},
		{`os.date("100%")`, "error: test.lua:1: os.date: % is not a conversion: %% is the character %"},
		{`os.time{year = 2020, month = 1}`, "error: test.lua:1: os.time: field day: got nil, want an integer"},
		{`os.time{year = 2020, month = 1.5, day = 1}`, "error: test.lua:1: os.time: field month: got 1.5, want an integer"},
		{`os.time{year = 2020, month = "May", day = 1}`, "error: test.lua:1: os.time: field month: got May, want an integer"},
		{`os.time{year = 1e18, month = 1, day = 1}`, "error: test.lua:1: os.time: field year: got 1e+18, want an integer"},
		{`print(os.difftime(10.5, 5), os.difftime(5))`, "5.5\t5\n"},
		{`local now = os.time() print(os.time(os.date("*t", now)) == now, os.date("%s", now) == tostring(now))`, "true\ttrue\n"},
	})
}

// Local time is tested in a time zone with daylight saving time.
func TestLua_LocalDates(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	before := time.Local
	time.Local = berlin
	defer func() { time.Local = before }()
	checkSnippets(t, []snippet{
		{`print(os.time{year = 2020, month = 7, day = 1, hour = 0}, os.time{year = 2020, month = 7, day = 1})`, "1593554400\t1593597600\n"},
		{`print(os.time{year = "2020", month = "07", day = "010"} == os.time{year = 2020, month = 6, day = 40})`, "true\n"},
		{`print(os.date("*t", 1593554400).isdst, os.date("%Z %z", 1593554400), os.date("%Z", 1577836800))`, "true\tCEST +0200\tCET\n"},
		{`for _, at in ipairs{1603584000, 1603587600} do io.write(os.time(os.date("*t", at)) - at, " ") end`, "0 0 "}, // 02:00, twice
	})
}
