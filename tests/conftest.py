"""What do all tests share? Profiles of hypothesis, and the scenario of every mechanism at once."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# What runs in the background of a shell ignores Ctrl-C, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


settings.register_profile("default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("UPTAKE_HYPOTHESIS", "default"))
