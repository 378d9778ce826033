module github.com/moor-ble/moor

go 1.26
