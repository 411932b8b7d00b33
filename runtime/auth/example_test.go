package auth_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"

	"github.com/sluicegate/sluice/runtime/auth"
)

func ExampleNew() {
	secret, _ := auth.NewKey()
	a, err := auth.New(auth.Options{Keys: []auth.Key{{
		ID: "search-app", Tenant: "search", Roles: []string{"developer"}, SHA256: sha256.Sum256([]byte(secret)),
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	from := netip.MustParseAddr("192.0.2.7")
	p, err := a.Authenticate(context.Background(), map[string][]string{"X-Api-Key": {secret}}, from)
	fmt.Println(p.ID, p.Tenant, p.Roles, err)
	_, err = a.Authenticate(context.Background(), map[string][]string{}, from)
	fmt.Println(err)
	// Output:
	// key:search-app search [developer] <nil>
	// authenticate: unauthenticated: no credential; send one in the header x-api-key or as Authorization: Bearer
}
