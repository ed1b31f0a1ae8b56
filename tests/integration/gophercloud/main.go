// SPDX-License-Identifier: Apache-2.0

// Gophercloud, the library of Terraform's and Kubernetes' OpenStack providers, unmodified: makes, looks at, changes and
// deletes what they make. Signs in with the OS_ variables.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/keypairs"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/servergroups"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/startstop"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/tags"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
	"github.com/gophercloud/gophercloud/pagination"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqbMoQvk7oqkUYyh7KfCR/DnUBXVOeRZaUG1FpQ5bcA someone"

func must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func check(good bool, what string, got interface{}) {
	if !good {
		fmt.Fprintf(os.Stderr, "%s: %+v\n", what, got)
		os.Exit(1)
	}
}

func connect() *gophercloud.ProviderClient {
	opts := gophercloud.AuthOptions{IdentityEndpoint: os.Getenv("OS_AUTH_URL"), Username: os.Getenv("OS_USERNAME"),
		Password: os.Getenv("OS_PASSWORD"), TenantName: os.Getenv("OS_PROJECT_NAME"), DomainID: "default", AllowReauth: true}
	provider, err := openstack.NewClient(opts.IdentityEndpoint)
	must(err, "client")
	pem, err := os.ReadFile(os.Getenv("OS_CACERT"))
	must(err, "OS_CACERT")
	roots := x509.NewCertPool()
	check(roots.AppendCertsFromPEM(pem), "no certificate in OS_CACERT", nil)
	provider.HTTPClient = http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	must(openstack.Authenticate(provider, opts), "sign in")
	return provider
}

func findImage(provider *gophercloud.ProviderClient) string {
	client, err := openstack.NewImageServiceV2(provider, gophercloud.EndpointOpts{Region: "RegionOne"})
	must(err, "image service")
	pages, err := images.List(client, images.ListOpts{Name: "guest", Limit: 1}).AllPages()
	must(err, "images")
	list, err := images.ExtractImages(pages)
	must(err, "images")
	check(len(list) == 1 && list[0].Status == images.ImageStatusActive, "images", list)
	return list[0].ID
}

func findFlavor(client *gophercloud.ServiceClient) string {
	found := ""
	err := flavors.ListDetail(client, flavors.ListOpts{Limit: 1}).EachPage(func(page pagination.Page) (bool, error) {
		list, err := flavors.ExtractFlavors(page)
		for _, f := range list {
			if f.Name == "m1.nano" {
				found = f.ID
			}
		}
		return true, err
	})
	must(err, "flavors")
	check(found != "", "flavor m1.nano", found)
	return found
}

func groupAndKey(client *gophercloud.ServiceClient) string {
	k, err := keypairs.Create(client, keypairs.CreateOpts{Name: "gopher", PublicKey: publicKey}).Extract()
	must(err, "keypair")
	check(k.Fingerprint != "", "keypair", k)
	g, err := servergroups.Create(client, servergroups.CreateOpts{Name: "gopher", Policies: []string{"anti-affinity"}}).Extract()
	must(err, "server group")
	return g.ID
}

func power(client *gophercloud.ServiceClient, id string) {
	must(startstop.Stop(client, id).ExtractErr(), "stop")
	must(servers.WaitForStatus(client, id, "SHUTOFF", 60), "stop")
	must(startstop.Start(client, id).ExtractErr(), "start")
	must(servers.WaitForStatus(client, id, "ACTIVE", 60), "start")
	must(servers.Reboot(client, id, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr(), "reboot")
	must(servers.WaitForStatus(client, id, "ACTIVE", 60), "reboot")
}

func change(client *gophercloud.ServiceClient, id string) {
	s, err := servers.Update(client, id, servers.UpdateOpts{Name: "gopher2"}).Extract()
	must(err, "update")
	check(s.Name == "gopher2", "update", s)
	m, err := servers.UpdateMetadata(client, id, servers.MetadataOpts{"c": "d"}).Extract()
	must(err, "metadata")
	check(m["a"] == "b" && m["c"] == "d", "metadata", m)
	client.Microversion = "2.26"
	must(tags.Add(client, id, "blue").ExtractErr(), "tag")
	t, err := tags.List(client, id).Extract()
	must(err, "tags")
	check(len(t) == 1 && t[0] == "blue", "tags", t)
	client.Microversion = ""
}

func main() {
	provider := connect()
	client, err := openstack.NewComputeV2(provider, gophercloud.EndpointOpts{Region: "RegionOne"})
	must(err, "compute service")
	image, flavor, group := findImage(provider), findFlavor(client), groupAndKey(client)
	create := keypairs.CreateOptsExt{KeyName: "gopher", CreateOptsBuilder: servers.CreateOpts{
		Name: "gopher", ImageRef: image, FlavorRef: flavor, Metadata: map[string]string{"a": "b"}, UserData: []byte("#!/bin/sh\n")}}
	s, err := servers.Create(client, create).Extract()
	must(err, "create")
	check(s.AdminPass != "", "create", s)
	must(servers.WaitForStatus(client, s.ID, "ACTIVE", 60), "create")
	s, err = servers.Get(client, s.ID).Extract()
	must(err, "get")
	check(s.KeyName == "gopher" && len(s.Addresses) == 1 && s.Metadata["a"] == "b", "get", s)
	change(client, s.ID)
	power(client, s.ID)
	pages, err := servers.List(client, servers.ListOpts{Name: "gopher2", Status: "ACTIVE"}).AllPages()
	must(err, "list")
	list, err := servers.ExtractServers(pages)
	must(err, "list")
	check(len(list) == 1 && list[0].ID == s.ID, "list", list)
	must(servers.Delete(client, s.ID).ExtractErr(), "delete")
	err = gophercloud.WaitFor(60, func() (bool, error) {
		_, err := servers.Get(client, s.ID).Extract()
		_, gone := err.(gophercloud.ErrDefault404)
		return gone, nil
	})
	must(err, "delete")
	must(servergroups.Delete(client, group).ExtractErr(), "server group")
	must(keypairs.Delete(client, "gopher").ExtractErr(), "keypair")
	fmt.Println("ok gophercloud")
}
