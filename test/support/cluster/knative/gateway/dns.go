package main

import (
	"log"
	"net"
	"os"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const clusterDomain = ".svc.cluster.local"

// A name server for those who call a Service by its name: each name of a Service is this gateway's address, which carries
// requests to the endpoints in place of the Service's own address, that nothing routes here.
func serveNames() {
	own := net.ParseIP(os.Getenv("POD_IP")).To4()
	if own == nil {
		log.Fatal("POD_IP is not set to an IPv4 address")
	}
	socket, err := net.ListenPacket("udp", ":53")
	if err != nil {
		log.Fatal(err)
	}
	buffer := make([]byte, 1500)
	for {
		size, from, err := socket.ReadFrom(buffer)
		if err != nil {
			log.Fatal(err)
		}
		if reply := answer(buffer[:size], [4]byte(own)); reply != nil {
			// A lost answer is asked for again.
			_, _ = socket.WriteTo(reply, from)
		}
	}
}

func answer(question []byte, own [4]byte) []byte {
	var message dnsmessage.Message
	if message.Unpack(question) != nil || len(message.Questions) != 1 {
		return nil
	}
	message.Response, message.RecursionAvailable, message.Additionals = true, true, nil
	asked := message.Questions[0]
	if !strings.HasSuffix(strings.TrimSuffix(asked.Name.String(), "."), clusterDomain) {
		message.RCode = dnsmessage.RCodeNameError
	} else if asked.Type == dnsmessage.TypeA {
		message.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: asked.Name, Class: dnsmessage.ClassINET, TTL: 5},
			Body:   &dnsmessage.AResource{A: own},
		}}
	}
	reply, err := message.Pack()
	if err != nil {
		return nil
	}
	return reply
}
