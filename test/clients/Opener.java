import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.SecureRandom;
import java.security.Security;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.KeyGenerator;
import javax.crypto.SecretKey;
import javax.crypto.spec.IvParameterSpec;

/**
 * Opener CONFIG ALIAS SEALED: decrypts a file (RSA PKCS #1) with a private key of a PKCS#11 token and prints it; then
 * makes an AES key on the token, which gives back what it encrypted.
 */
public class Opener {
    public static void main(String[] args) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(args[0]);
        Security.addProvider(token);
        KeyStore store = KeyStore.getInstance("PKCS11", token);
        store.load(null, System.getenv("CLIENT_PIN").toCharArray());
        Cipher rsa = Cipher.getInstance("RSA/ECB/PKCS1Padding", token);
        rsa.init(Cipher.DECRYPT_MODE, (PrivateKey) store.getKey(args[1], null));
        System.out.write(rsa.doFinal(Files.readAllBytes(Path.of(args[2]))));
        System.out.flush();
        encrypt(token);
    }

    private static void encrypt(Provider token) throws Exception {
        byte[] text = new byte[5000], iv = new byte[16];
        new SecureRandom().nextBytes(text);
        KeyGenerator maker = KeyGenerator.getInstance("AES", token);
        maker.init(256);
        SecretKey key = maker.generateKey();
        Cipher aes = Cipher.getInstance("AES/CBC/PKCS5Padding", token);
        aes.init(Cipher.ENCRYPT_MODE, key, new IvParameterSpec(iv));
        byte[] sealed = aes.doFinal(text);
        aes.init(Cipher.DECRYPT_MODE, key, new IvParameterSpec(iv));
        if (Arrays.equals(text, Arrays.copyOf(sealed, text.length)) || !Arrays.equals(text, aes.doFinal(sealed)))
            throw new SecurityException("AES does not give back what it got");
        System.out.println("aes ok");
    }
}
