package control

import "time"

// BundleStatus is how it stands with one of the policy's bundles.
type BundleStatus struct {
	Name      string    `json:"name"`
	Revision  string    `json:"revision,omitempty"` // of the active one's manifest
	Activated time.Time `json:"activated,omitzero"` // when the active one was
	Answered  time.Time `json:"answered,omitzero"`  // when the server last answered as it should
	Stage     string    `json:"stage,omitempty"`    // that the last try failed at; "" when it did not
	Fault     string    `json:"fault,omitempty"`    // why, and what to do
	Since     time.Time `json:"since,omitzero"`     // how long it has failed
}

// bundleStatus is empty where the policy is made of none.
func (c *Controller) bundleStatus() []BundleStatus {
	f := c.feed.Load()
	if f == nil {
		return nil
	}
	var out []BundleStatus
	for _, s := range f.client.Status() {
		b := BundleStatus{Name: s.Name, Revision: s.Revision, Activated: s.Activated, Answered: s.Answered, Since: s.Since}
		if s.Fault != nil {
			b.Stage, b.Fault = s.Fault.Stage, s.Fault.Message
		}
		out = append(out, b)
	}
	return out
}
