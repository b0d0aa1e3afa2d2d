"""VGGish: a small VGG on log-mel patches, trained on the sound of YouTube videos."""
