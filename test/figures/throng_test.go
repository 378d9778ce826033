package figures

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// throngEnv makes the test binary a controller at the Unix socket that it names: throngSize
// devices advertise there ten times a second each, and number their advertisements.
const throngEnv = "MOOR_FIGURES_THRONG"

const (
	throngSize = 200
	throngTick = 10 * time.Millisecond // in which a tenth of the devices advertise
	throngPart = throngSize / 10
)

// throngData is the data of an advertisement with a number: Flags, and four octets of a
// company.
func throngData(n uint32) hci.AdvData {
	return binary.LittleEndian.AppendUint32([]byte{2, 1, 6, 7, 0xFF, 0xFF, 0xFF}, n)
}

// throng is the controller. It accepts every command.
type throng struct {
	mu       sync.Mutex
	tr       *hcisock.Stream
	scanning bool
	numbers  [throngSize]uint32
}

// serveThrong serves one host, and exits.
func serveThrong(path string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(ready)
	conn, err := l.Accept()
	if err != nil {
		os.Exit(1)
	}
	c := &throng{tr: hcisock.NewStream(conn)}
	go c.advertise()
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := c.tr.ReadPacket(b)
		if err != nil {
			os.Exit(0)
		}
		if hci.PacketType(b[0]) == hci.PacketCommand {
			c.answer(b[1:n])
		}
	}
}

// answer accepts a command, with zeros for what it is asked.
func (c *throng) answer(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	op := hci.Opcode(binary.LittleEndian.Uint16(b))
	ret := make([]byte, 70)
	switch op {
	case hci.OpLEReadBufferSize:
		ret[1], ret[3] = 27, 8
	case hci.OpLESetScanEnable:
		c.scanning = b[3] == 1
	}
	c.send(&hci.CommandComplete{NumPackets: 1, Opcode: op, Return: ret})
}

func (c *throng) send(ev hci.Event) {
	if err := c.tr.WritePacket(hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev)); err != nil {
		os.Exit(0)
	}
}

// advertise reports a tenth of the devices in each tick, while the host scans. Ticks that were
// missed are made up for.
func (c *throng) advertise() {
	begin := time.Now()
	for tick := 1; ; tick++ {
		time.Sleep(time.Until(begin.Add(time.Duration(tick) * throngTick)))
		c.mu.Lock()
		for i := range throngPart {
			if n := tick%10*throngPart + i; c.scanning {
				c.numbers[n]++
				c.send(&hci.LEAdvertisingReport{Reports: []hci.AdvReport{{
					Addr: hci.Addr{MAC: hci.MAC{byte(n), 0, 0, 0, 0, 0xC0}, Kind: hci.AddrRandom}, RSSI: -60, Data: throngData(c.numbers[n]),
				}}})
			}
		}
		c.mu.Unlock()
	}
}
