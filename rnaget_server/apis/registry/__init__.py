"""GA4GH service registry 1.0: the standards that this server speaks, and the peers that its settings name."""

BASE_PATH = "/services"
