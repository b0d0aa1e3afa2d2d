"""Real cries under every transform: still cries, in spectrum and in melody."""


