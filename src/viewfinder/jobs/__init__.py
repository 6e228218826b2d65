"""What starts queued runs and keeps watch over them."""
