"""*Synthetic* infant cries, household sounds, labelled sets and nights.

Nothing here was recorded. Labels are true by construction: they test the chain
from audio to device, and are no evidence about real infants.
"""

from cry_tf.synthesis.burst import PHONATIONS, Burst, render_burst
from cry_tf.synthesis.cry import cry
from cry_tf.synthesis.household import HOUSEHOLD_SOUNDS, household_sound
from cry_tf.synthesis.infant import Infant
from cry_tf.synthesis.melody import MELODIES, melody
from cry_tf.synthesis.night import Night, TrueEvent, synthesise_night
from cry_tf.synthesis.paper_set import PAPER_INFANTS, write_paper_set
from cry_tf.synthesis.reason import REASONS, Reason
from cry_tf.synthesis.recording import draw_home, mix, record_cry, write_wav
from cry_tf.synthesis.recordings import Recordings, write_recordings
from cry_tf.synthesis.room import Home
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ

__all__ = [
    "HOUSEHOLD_SOUNDS",
    "MELODIES",
    "PAPER_INFANTS",
    "PHONATIONS",
    "REASONS",
    "SAMPLE_RATE_HZ",
    "Burst",
    "Home",
    "Infant",
    "Night",
    "Reason",
    "Recordings",
    "TrueEvent",
    "cry",
    "draw_home",
    "household_sound",
    "melody",
    "mix",
    "record_cry",
    "render_burst",
    "synthesise_night",
    "write_paper_set",
    "write_recordings",
    "write_wav",
]
