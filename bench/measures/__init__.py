"""What is asked of a trained network. Every reported number is computed in fp32."""
